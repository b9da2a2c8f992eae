"""What feedback counts of those who listen to it."""

from prometheus_client import Counter, Gauge

STREAMS = Gauge("leadloop_feedback_streams", "Open event streams")
WEBHOOK_TRIES = Counter(
    "leadloop_feedback_webhook_tries_total",
    "Events sent to webhooks: delivered, failed (tried again) or gone",
    ["result"],
)
WEBHOOKS_FAILING = Gauge(
    "leadloop_feedback_webhooks_failing",
    "Webhooks whose last try failed, or that were switched off for it",
)
