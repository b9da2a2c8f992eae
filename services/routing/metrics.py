"""What routing counts."""

from prometheus_client import Counter, Gauge

ASSIGNED = Counter("leadloop_routing_assignments_total", "Leads handed to a rep, every attempt")
BREACHED = Counter("leadloop_routing_sla_breaches_total", "Attempts whose deadline passed")
UNROUTED = Counter("leadloop_routing_unrouted_total", "Times nobody could take a lead", ["reason"])
UNROUTED_NOW = Gauge("leadloop_routing_unrouted_leads", "Leads nobody has at the moment")
STREAMS = Gauge("leadloop_routing_streams", "Open event streams")
