"""What agents say in any dialect, as steps of a trace with one set of names.

`spans.steps_of_spans(records)` takes spans, `events.steps_of_logs(records)` log records, of which most say nothing
of a run and give no step. Both answer with one `Normalised`: steps, names that no table knows, scores.
"""
