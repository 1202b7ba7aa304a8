"""Prometheus: remote write in, figures out."""
