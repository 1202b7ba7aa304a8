"""Grafana dashboards as code.

`queries.py` holds every question once, in SQL and in Flux; `layout.py` says what a dashboard is, and a file for each
(`fleet.py`, `latency.py`) arranges the questions; `every.py` lists them; `panels.py` turns that into Grafana's
objects; `build.py` writes, compares and hands over the JSON.
"""
