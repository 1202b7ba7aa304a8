"""What a replay comes to: pages, how many at night, the longest episode, each episode, and a chart. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from alerts.backtest.compare import Difference, difference_text
from alerts.backtest.outbox import Sent
from alerts.backtest.replay import Replay
from alerts.core.vocabulary import Reason
from alerts.core.wording import duration, moment
from alerts.episode import Episode

NIGHT = (22, 7)
"""Hours of the local clock: from the first, up to the second."""

SHOWN_AT_MOST = 500
_BARS = 96


@dataclass(frozen=True, slots=True)
class Report:
    """A replay, counted. Pages are messages that say that something is wrong, resolves are none.

    `different`: what the alerter told otherwise; None where the rule is not stored, so that it never judged it.
    """

    since: datetime
    until: datetime
    pages: int
    at_night: int
    longest_s: float
    withheld: dict[str, int]
    episodes: list[dict[str, Any]]
    messages: tuple[Sent, ...]
    chart: list[list[Any]]
    differs: tuple[str, ...]
    complete: bool
    judged: int
    different: Sequence[Difference] | None = None


def report(
    done: Replay,
    *,
    since: datetime,
    zone: tzinfo,
    names: dict[Any, str],
    differs: tuple[str, ...] = (),
    different: Sequence[Difference] | None = None,
) -> Report:
    """Count. `zone`: whose nights; `names`: agents by id."""
    pages = [one for one in done.sent if one.reason is not Reason.RESOLVED]
    lasted = [_end(one, done) - one.triggered_at for one in done.episodes]
    return Report(
        since=since,
        until=done.until,
        pages=len(pages),
        at_night=sum(1 for one in pages if _at_night(one.at, zone)),
        longest_s=max((one.total_seconds() for one in lasted), default=0.0),
        withheld=dict(Counter(one.by for one in done.withheld)),
        episodes=[_episode(one, names) for one in sorted(done.episodes, key=lambda one: one.triggered_at)],
        messages=tuple(done.sent),
        chart=_chart(done, since),
        differs=differs,
        complete=done.complete,
        judged=done.judged,
        different=different,
    )


def report_json(told: Report) -> dict[str, Any]:
    """As the API answers."""
    return {
        "since": told.since,
        "until": told.until,
        "pages": told.pages,
        "at_night": told.at_night,
        "longest_s": told.longest_s,
        "withheld": told.withheld,
        "episodes": told.episodes[:SHOWN_AT_MOST],
        "episodes_in_all": len(told.episodes),
        "chart": told.chart,
        "differs": list(told.differs),
        "different": None if told.different is None else [_difference(one) for one in told.different[:SHOWN_AT_MOST]],
        "different_in_all": None if told.different is None else len(told.different),
        "complete": told.complete,
    }


def report_text(told: Report) -> list[str]:
    """Lines for a terminal."""
    span = duration(told.until - told.since)
    longest = duration(timedelta(seconds=told.longest_s))
    lines = [
        f"over {span} up to {moment(told.until)}: would have paged {told.pages} times, {told.at_night} at night,"
        f" longest {longest}"
    ]
    if not told.complete:
        lines.append("stopped before the end: it took too long; take a shorter time or fewer agents")
    lines += [f"{count} withheld by {by}" for by, count in sorted(told.withheld.items())]
    for one in told.episodes[:20]:
        ended = "still firing" if one["resolved_at"] is None else f"for {one['lasted']}"
        labels = " ".join(f"{name}={value}" for name, value in sorted(one["labels"].items()))
        lines.append(
            f"  {moment(one['triggered_at'])}  {one['agent']} {labels}".rstrip() + f"  {ended}: {one['summary']}"
        )
    if len(told.episodes) > 20:
        lines.append(f"  and {len(told.episodes) - 20} more episodes")
    lines += [f"note: {said}" for said in told.differs]
    if told.different is not None:
        number = len(told.different)
        lines.append(f"{number or 'no'} message{'' if number == 1 else 's'} other than the alerter told")
        lines += [f"  {difference_text(one)}" for one in told.different[:20]]
    return lines


def _difference(one: Difference) -> dict[str, Any]:
    told = one.told
    return {
        "channel": told.channel,
        "target": told.target,
        "reason": told.reason,
        "agent": told.agent,
        "labels": dict(told.labels),
        "alerter": one.alerter,
        "replay": one.replay,
        "because": one.because,
    }


def _episode(one: Episode, names: dict[Any, str]) -> dict[str, Any]:
    ended = None if one.resolved_at is None else duration(one.resolved_at - one.triggered_at)
    return {
        "agent": names.get(one.agent_id, ""),
        "labels": one.labels,
        "severity": str(one.severity),
        "triggered_at": one.triggered_at,
        "resolved_at": one.resolved_at,
        "lasted": ended,
        "value": one.value,
        "summary": one.details.get("summary", ""),
    }


def _end(one: Episode, done: Replay) -> datetime:
    return one.resolved_at or done.until


def _at_night(at: datetime, zone: tzinfo) -> bool:
    hour = at.astimezone(zone).hour
    return hour >= NIGHT[0] or hour < NIGHT[1]


def _chart(done: Replay, since: datetime) -> list[list[Any]]:
    """[time, alerts that fired then] for equal parts of the span."""
    span = max(done.until - since, timedelta(seconds=1))
    part = span / _BARS
    bars = [[since + number * part, 0] for number in range(_BARS)]
    changes: Counter[int] = Counter()
    for one in done.episodes:
        # What comes at the very end of the span is of the last part.
        first, last = (min(int((at - since) / part), _BARS - 1) for at in (one.triggered_at, _end(one, done)))
        changes[first] += 1
        changes[last + 1] -= 1
    firing = 0
    for number, bar in enumerate(bars):
        firing += changes[number]
        bar[1] = firing
    return bars
