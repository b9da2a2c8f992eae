"""What routing counts."""

from prometheus_client import Counter, Gauge

ASSIGNED = Counter("leadloop_routing_assignments_total", "Leads handed to a rep, every attempt")
BREACHED = Counter("leadloop_routing_sla_breaches_total", "Attempts whose deadline passed")
UNROUTED = Counter("leadloop_routing_unrouted_total", "Times nobody could take a lead", ["reason"])
UNROUTED_NOW = Gauge("leadloop_routing_unrouted_leads", "Leads nobody has at the moment")
STREAMS = Gauge("leadloop_routing_streams", "Open event streams")
NOTICES_TRIED = Counter(
    "leadloop_routing_notice_tries_total",
    "Messages to reps that were tried: sent, failed (tried again), final, gone or dropped",
    ["medium", "result"],
)
NOTICES_FAILING = Gauge(
    "leadloop_routing_notices_failing", "Messages that failed and are tried again", ["medium"]
)
