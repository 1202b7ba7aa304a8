"""The live alerter and a backtest over the same time, told in the same words."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from alerts.backtest.report import Report
from alerts.backtest.run import Question, backtest, question_of
from alerts.configs import get_rule
from alerts.core.vocabulary import Reason
from tests.alerts.timeline import INTERVAL, Timeline

Message = tuple[float, str, str, str, tuple[str, ...]]
"""Seconds from the start, channel, target, reason, and what it is about."""

Feed = Callable[[int, Random], Awaitable[None]]
"""What agents do between the tick at this second and the next one."""

TICKS = 48


async def live(t: Timeline, feed: Feed, *, seed: int, ticks: int = TICKS) -> list[Message]:
    """Ticks with random news between them; what was sent, and when."""
    rng = Random(seed)
    for tick in range(1, ticks + 1):
        await feed((tick - 1) * 10, rng)
        await t.evaluate(f"{tick * 10}s")
        await t.deliver(f"{tick * 10}s")
    return heard(t)


def heard(t: Timeline) -> list[Message]:
    """What channels took. What people did is no message of the rule's."""
    return sorted(
        (
            (one.message.at - t.start).total_seconds(),
            str(one.channel),
            one.target,
            str(one.message.reason),
            tuple(sorted(f"{line.agent} {sorted(line.labels.items())}" for line in one.message.lines)),
        )
        for one in t.sent
        if one.message.reason is not Reason.RESPONDED
    )


async def ask(t: Timeline, rule_id: str, *, ticks: int = TICKS, since: timedelta = INTERVAL) -> Report:
    """The backtest of a stored rule over the ticks from `since` on."""
    async with t.db.tenant(t.tenant.id) as connection:
        row = await get_rule(connection, t.tenant.id, UUID(rule_id))
    asked: Question = question_of(row, start=t.start + since, end=t.start + ticks * INTERVAL, tick=INTERVAL)
    return await backtest(t.db, t.deps.series, replace(asked, seconds=120.0))


def told(t: Timeline, found: Report) -> list[Message]:
    """What a backtest says would have been sent."""
    return sorted(
        (
            (one.at - t.start).total_seconds(),
            one.channel,
            one.target,
            str(one.reason),
            tuple(sorted(f"{agent} {list(labels)}" for agent, labels in one.alerts)),
        )
        for one in found.messages
    )


def about(conditions: Any, *kinds: str) -> bool:
    """Whether one of these kinds of leaves is anywhere in a condition."""
    return any(f"'{kind}'" in str(conditions) for kind in kinds)
