"""What the panels ask, each question once: in SQL for PostgreSQL and, where it reads history, in Flux for InfluxDB.

Both are templates that Grafana fills in. SQL: `$__timeFrom()`, `$__timeTo()`, `$__timeGroupAlias(at, $__interval)`
and `$__interval_ms`. Flux: `v.timeRangeStart`, `v.timeRangeStop` and `v.windowPeriod`. Variables stand as
`${name:format}`, with a format that cannot end the literal it stands in: `sqlstring` doubles quotes, `regex` puts a
backslash before every `$`, so that nothing chosen closes `$re$…$re$`, and before every `/`.

A line of a chart is named by `metric` in SQL and by `_field` in Flux.
"""
