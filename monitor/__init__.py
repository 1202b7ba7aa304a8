"""Agent Monitor: requests in, rows stored, rules judged, people told, pages out.

The way of the data::

    agent ── POST /api/v1/logs|metrics|heartbeats, /ping/{token}; OpenTelemetry, line protocol, remote write; StatsD
               │  monitor.ingest   authenticate → decode → validate row by row
               ▼
             batcher               group commit: many requests, one transaction, sent in one go (monitor.pipeline)
               ├─→ agent_logs, agent_live, touched        (monitor.agents)
               ├─→ spans, touched_traces                  (monitor.runs)
               ├─→ samples in PostgreSQL, or InfluxDB before the commit, or its spool    (monitor.series)
               └─→ Redis, after the commit, where there is one (monitor.agents.mirror)

    agent ── POST, PATCH /api/v1/tasks, workflow-executions, tool-executions, interactions
               │  monitor.ingest.runs    names → what is known → what changes, in one transaction
               ├─→ tasks, workflow_executions, tool_executions, agent_interactions   (monitor.runs.store)
               └─→ model_calls, and the task's end in agent_logs, by the way of logs (monitor.usage)

    agent ── POST /api/v1/messages
               │  monitor.ingest.conversations    names → conversations held → places given, in one transaction
               └─→ conversations, messages            (monitor.conversations)

    tick ── alerts.evaluate        take what was touched or is due → read set-based → judge → step → decide
               │                   (plain metric rules: alerts.sieve, in columns; one by one only what breaches)
               └─→ alert_states, alerts, notifications     one transaction
    tick ── alerts.deliver         claim → render → send (alerts.channels) → mark
    tick ── schedules.runner       plan what is due → claim → call the agent's webhook → mark → its log, as above
    tick ── ingest.assembler       claim touched traces → read their steps → assemble (monitor.runs) → tables made equal
    tick ── series.drain           the spool into InfluxDB, in order, when it answers again
    tick ── rollups, counters, sums of usage, new prices, partitions, retention, maintenance, self-checks

Import order, top imports down, never up (enforced by import-linter, see pyproject.toml)::

    monitor.cli, monitor.dev       composition roots
    monitor.backup                 copies of everything, and what was lost brought back
    monitor.app, alerts.scheduler, dashboards
    monitor.ingest, monitor.imports, monitor.subjects, monitor.schedules, monitor.console,
    alerts.routes, alerts.evaluate, alerts.deliver
    alerts.store, alerts.sources, alerts.channels
    monitor.runs, monitor.conversations                        what agents did and said, made of the slices below
    monitor.identity, monitor.agents, monitor.audit,
    monitor.usage, monitor.calendar, monitor.regions,
    monitor.knowledge, monitor.tools,
    monitor.retention, monitor.maintenance                     slices, independent of each other
    monitor.http
    monitor.series, monitor.pipeline, monitor.live, monitor.partitions, monitor.sealing, monitor.embedded
    monitor.tables, monitor.touched, monitor.named
    monitor.db
    alerts.core
    monitor.settings, clock, errors, ids, principal, signals, log

A slice is a folder with the same three files: `tables.py` (what is stored), `store.py` (SQL, rows mapped to
frozen dataclasses, or msgspec structs where they are made by the ten thousand) and `routes.py` (HTTP).
`monitor.sdk` stands apart: agents import it, so it imports none of this.
"""
