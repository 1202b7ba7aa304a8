"""Grafana dashboards as code.

`queries/` holds every question once, in SQL and in Flux; `layout.py` says what a dashboard is, and a file for each
(`fleet.py`, `latency.py`) arranges the questions; `every.py` lists them; `drawing.py` says how a panel is drawn,
`panels.py` turns all of it into Grafana's objects; `build.py` writes, compares and hands over the JSON.
"""
