"""Grafana dashboards as code.

`queries.py` holds every question once, in SQL and in Flux; `fleet.py` arranges them; `panels.py` turns that into
Grafana's objects; `build.py` writes, compares and hands over the JSON.
"""
