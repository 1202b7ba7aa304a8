"""What is due, judged under lock: every state stepped, and what that opens, changes, ends and tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import store
from alerts.core.condition import Condition
from alerts.core.due import Touched, kinds_read
from alerts.directory import Directory, read_directory
from alerts.episode import Episode, StateRow
from alerts.muting import read_muting
from alerts.rules import LoadedRule, RuleKey
from alerts.sources.base import Facts, Guard
from alerts.targets import DueTarget, News, TargetKey, agent_of, rule_of
from alerts.transition import Outcome, Plan, judge_target, plan_outcome
from alerts.turns import in_turns


@dataclass(frozen=True, slots=True)
class Judging:
    """One pass's judgement. `faults`: what was wrong with each rule that was judged, None for nothing."""

    connection: AsyncConnection
    rules: Mapping[RuleKey, LoadedRule]
    guard: Guard
    now: datetime
    interval: timedelta
    faults: dict[RuleKey, str | None] = field(default_factory=dict)

    async def judge(
        self,
        due: Sequence[DueTarget],
        facts: Facts,
        states: Mapping[TargetKey, Sequence[StateRow]],
        *,
        news: News,
    ) -> list[Outcome]:
        """Judge each target, whose states are locked."""
        outcomes = []
        async for target in in_turns(due):
            loaded = self.rules[rule_of(target.key)]
            agent = agent_of(target.key)
            self.faults.setdefault(loaded.key, None)
            points = news.get(agent, 0) & Touched.METRIC
            with self.guard(f"rule {loaded.key[1]}") as fault:
                outcomes.append(
                    judge_target(
                        target,
                        loaded,
                        facts.of(loaded.leaves, agent),
                        states.get(target.key, ()),
                        now=self.now,
                        interval=self.interval,
                        again=bool(loaded.rule and points & kinds_read(loaded.rule.condition)),
                    )
                )
            if fault.error is not None:
                self.faults[loaded.key] = str(fault.error)
        return outcomes

    async def plan(self, outcomes: Sequence[Outcome]) -> Plan:
        """Lock what is open, and decide what is saved and who is told."""
        changes = [change for outcome in outcomes for change in outcome.changes]
        opening = _opening(outcomes)
        opened = [episode for episode, _ in opening]
        taken_over = await store.take_over(self.connection, opened, now=self.now)
        known = {
            (change.row.key.tenant_id, change.before.alert_id)
            for change in changes
            if change.before is not None and change.before.alert_id is not None
        }
        episodes = await store.lock_alerts(self.connection, known)
        alive = [*opened, *episodes.values()]
        directory, messages = Directory(), dict[tuple[UUID, UUID], str]()
        if alive:
            tenants = [one.tenant_id for one in alive]
            directory = await read_directory(self.connection, tenants, now=self.now, settle=2 * self.interval)
            agents = {(one.tenant_id, one.agent_id) for one in alive if one.agent_id is not None}
            messages = dict(await store.last_messages(self.connection, list(agents)))
        muting = await read_muting(self.connection, alive, now=self.now, opening=opening)
        plan = Plan()
        async for outcome in in_turns(outcomes):
            with self.guard(f"rule {outcome.rule.key[1]}") as fault:
                plan_outcome(outcome, episodes, messages, directory, plan, now=self.now, muting=muting)
            if fault.error is not None:
                self.faults[outcome.rule.key] = str(fault.error)
        plan.opened = [one for one in plan.opened if one.id not in taken_over]
        new = {one.id for one in plan.opened}
        plan.updated = [one for one in plan.updated if one.id not in new]
        return plan


def _opening(outcomes: Sequence[Outcome]) -> list[tuple[Episode, Condition]]:
    """What opens, and what its rule asks for."""
    return [
        (change.episode, one.rule.rule.condition)
        for one in outcomes
        if one.rule.rule is not None
        for change in one.changes
        if change.episode is not None
    ]
