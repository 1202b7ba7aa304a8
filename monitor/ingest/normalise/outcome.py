"""What normalising gives: steps, judgements of them, and what was not understood. Pure."""

from collections import Counter
from dataclasses import dataclass, field

from monitor.runs.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One judgement of a run (`gen_ai.evaluation.*` and the like), by a person, a model or a program.

    It has a `value`, a `label` or both. `explanation` is the judge's own text, which may quote what was said: contents,
    as `Facts.input` is. `agent` and `service` as in Step; (trace_id, span_id) is the step that was judged, where known;
    `response_id` is the provider's id of the answer that was judged. `key` names the judgement: the same again is
    the same judgement told twice.
    """

    key: str
    name: str
    at_us: int
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    agent: str | None = None
    service: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    response_id: str | None = None
    conversation: str | None = None


@dataclass(slots=True)
class Normalised:
    """What became of records of one request.

    `unmapped` counts (dialect, name) of attributes that are in a dialect's namespace while no table knows them: they
    are kept in `Step.attributes`. `misfits` counts (dialect, name) of values of a wrong type or size, which are kept
    nowhere.
    """

    steps: list[Step] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    unmapped: Counter[tuple[str, str]] = field(default_factory=Counter)
    misfits: Counter[tuple[str, str]] = field(default_factory=Counter)
