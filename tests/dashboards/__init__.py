"""Dashboards: their queries on real stores, their JSON, and what Grafana's role may read."""
