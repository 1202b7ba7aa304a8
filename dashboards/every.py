"""All dashboards, in the order in which Grafana is given them."""

from dashboards.agent import AGENT
from dashboards.alerts import ALERTS
from dashboards.fleet import FLEET
from dashboards.health import HEALTH
from dashboards.knowledge import KNOWLEDGE
from dashboards.latency import LATENCY
from dashboards.runs import RUNS
from dashboards.tenants import TENANTS
from dashboards.usage import USAGE

EVERY = (FLEET, AGENT, LATENCY, USAGE, RUNS, ALERTS, HEALTH, TENANTS, KNOWLEDGE)
