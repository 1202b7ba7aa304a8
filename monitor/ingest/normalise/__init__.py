"""What agents say in any dialect, as steps of a trace with one set of names.

`spans.steps_of_spans(records)` takes spans, `events.steps_of_logs(records)` log records, of which most say nothing
of a run and give no step. Both answer with one `Normalised`: steps, names that no table knows, scores.

A dialect is a file with tables of names (`dialect.Dialect`); `tables.py` makes them one and says which wins. What
people, models and tools said goes to the facts `input`, `output`, `system`, `arguments` and `result` and nowhere else.

Metrics need no table: `gen_ai.client.token.usage` (with `gen_ai.token.type`), `claude_code.token.usage` (with `type`),
`claude_code.cost.usage` or `codex.turn.token_usage` (with `token_type`) are series under their own names, with their
attributes as tags, whether they come as counters or as histograms. The ledger counts spans and events only: an agent
that sends metrics as well is not counted twice.
"""
