"""Alerting as timelines, on a real database."""
