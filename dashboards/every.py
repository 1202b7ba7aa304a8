"""All dashboards, in the order in which Grafana is given them."""

from dashboards.fleet import FLEET
from dashboards.latency import LATENCY

EVERY = (FLEET, LATENCY)
