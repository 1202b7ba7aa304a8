"""What one target is told and when: groups, digests, budgets; nothing lost, nothing twice, each with its reason."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.grouping import Notice, Telling, group_key
from alerts.core.pace import Outgoing, Pace, Paced, Pacing
from alerts.core.pacing import pace
from alerts.core.policy import Withheld
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason, Severity
from alerts.pace_json import pace_from_json, pace_to_json

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = UUID(int=1)
TARGET = Target(ChannelKind.EMAIL, "ops@example.com")
GROUPED = Pacing(wait=timedelta(seconds=30), interval=timedelta(minutes=5))
HOURLY = Pacing(digest=timedelta(hours=1))


class Ears:
    """One target over time: what it is asked to be told, and the messages that it gets."""

    def __init__(self, asked: Pacing) -> None:
        self.asked = asked
        self.pace = Pace()
        self.ids: Iterator[int] = count(1000)
        self.groups: dict[int, UUID] = {}
        self.last = Paced(self.pace)

    def tell(
        self,
        seconds: float,
        *,
        first: Sequence[int] = (),
        resolved: Sequence[int] = (),
        repeat: Sequence[int] = (),
        severity: Severity = Severity.WARNING,
        muted: Sequence[int] = (),
        ended: Sequence[int] = (),
        key: str | None = "rule",
    ) -> list[Outgoing]:
        """One pass; alerts are numbers. Everything held goes through its JSON, as if the process were new."""
        tellings = [
            Telling(
                Notice(
                    TENANT,
                    TARGET,
                    UUID(int=number),
                    reason,
                    severity,
                    group_id=None if reason is Reason.FIRST else self.groups.get(number),
                    key=key if reason is Reason.FIRST else None,
                ),
                home=TENANT,
                why=f"alert {number} is {reason}",
            )
            for reason, numbers in ((Reason.FIRST, first), (Reason.RESOLVED, resolved), (Reason.REPEAT, repeat))
            for number in numbers
        ]
        stored = msgspec.json.encode(pace_to_json(self.pace))
        before = pace_from_json(msgspec.json.decode(stored), TENANT, TARGET)
        assert before == self.pace
        self.last = pace(
            before,
            tellings,
            self.asked,
            now=NOW + timedelta(seconds=seconds),
            new_id=lambda: UUID(int=next(self.ids)),
            muted=[UUID(int=number) for number in muted],
            ended=[UUID(int=number) for number in ended],
        )
        self.pace = self.last.pace
        for message in self.last.messages:
            self.groups |= {one.notice.alert_id.int: message.group_id for one in message.tellings}
        return list(self.last.messages)


def _numbers(message: Outgoing) -> list[int]:
    return sorted(one.notice.alert_id.int for one in message.tellings)


def test_without_settings_what_begins_in_one_pass_is_one_message_and_nothing_waits() -> None:
    ears = Ears(Pacing())
    (message,) = ears.tell(0, first=[1, 2], key=None)
    assert (message.new, message.reason, _numbers(message)) == (True, Reason.FIRST, [1, 2])
    (message,) = ears.tell(10, resolved=[1], key=None)
    assert (message.new, message.reason, _numbers(message)) == (False, Reason.RESOLVED, [1])
    assert ears.pace == Pace()


def test_a_group_waits_for_more_and_lists_all_that_came() -> None:
    ears = Ears(GROUPED)
    assert ears.tell(0, first=[1]) == []
    (held,) = ears.last.held
    assert (held.by, held.until) == (Withheld.GROUP, NOW + timedelta(seconds=30))
    assert ears.tell(10, first=[1, 2]) == []
    assert [one.telling.notice.alert_id.int for one in ears.last.held] == [2]
    (message,) = ears.tell(30, first=[1, 2, 3])
    assert (message.new, message.reason, _numbers(message)) == (True, Reason.FIRST, [1, 2, 3])
    assert message.why.endswith("it waited 30s for others of its group")


def test_a_lone_page_is_not_delayed_unless_asked() -> None:
    ears = Ears(Pacing(interval=timedelta(minutes=5)))
    (message,) = ears.tell(0, first=[1])
    assert message.why == "alert 1 is FIRST"


def test_what_joins_later_is_told_after_the_interval_in_the_same_group() -> None:
    ears = Ears(GROUPED)
    ears.tell(0, first=[1])
    (begun,) = ears.tell(30, first=[1])
    assert ears.tell(60, first=[2]) == []
    assert ears.tell(300, first=[2, 3]) == []
    (message,) = ears.tell(330, first=[2, 3])
    assert (message.new, message.group_id, _numbers(message)) == (False, begun.group_id, [2, 3])
    assert message.also == {UUID(int=1)}
    (message,) = ears.tell(900, first=[4])
    assert message.group_id == begun.group_id


def test_a_group_that_is_over_says_so_at_once_and_the_next_alert_begins_another() -> None:
    ears = Ears(GROUPED)
    ears.tell(0, first=[1, 2])
    (begun,) = ears.tell(30, first=[1, 2])
    assert ears.tell(40, resolved=[1]) == []
    (message,) = ears.tell(50, resolved=[2])
    assert (message.reason, _numbers(message)) == (Reason.RESOLVED, [1, 2])
    assert ears.pace.groups == {}
    ears.tell(60, first=[3])
    (another,) = ears.tell(90, first=[3])
    assert another.group_id != begun.group_id


def test_what_ends_while_its_group_waits_is_never_told() -> None:
    ears = Ears(GROUPED)
    ears.tell(0, first=[1])
    assert ears.tell(30, ended=[1]) == []
    assert ears.pace == Pace()
    ears.tell(60, first=[2, 3])
    (message,) = ears.tell(90, first=[3], ended=[2])
    assert _numbers(message) == [3]


def test_what_is_silenced_while_its_group_waits_is_asked_for_anew() -> None:
    ears = Ears(GROUPED)
    ears.tell(0, first=[1])
    assert ears.tell(10, muted=[1]) == []
    assert ears.tell(30, muted=[1]) == []
    assert ears.tell(40, first=[1]) == []
    (message,) = ears.tell(70, first=[1])
    assert _numbers(message) == [1]


def test_the_first_page_of_a_critical_alert_may_be_exempt_and_takes_the_waiting_along() -> None:
    ears = Ears(Pacing(wait=timedelta(seconds=30), interval=timedelta(minutes=5), except_critical=True))
    ears.tell(0, first=[1])
    (message,) = ears.tell(10, first=[2], severity=Severity.CRITICAL)
    assert _numbers(message) == [1, 2]
    assert message.tellings[0].notice.severity is Severity.CRITICAL


def test_a_group_repeats_as_one() -> None:
    ears = Ears(GROUPED)
    ears.tell(0, first=[1])
    ears.tell(30, first=[1])
    ears.tell(330, first=[2])
    (message,) = ears.tell(14430, repeat=[1])
    assert (message.reason, _numbers(message), set(message.also)) == (Reason.REPEAT, [1], {UUID(int=2)})


def test_a_digest_has_everything_that_is_not_critical_once_in_a_period() -> None:
    ears = Ears(HOURLY)
    assert ears.tell(0, first=[1]) == []
    assert [one.by for one in ears.last.held] == [Withheld.DIGEST]
    assert ears.tell(600, first=[1, 2]) == []
    (page,) = ears.tell(700, first=[3], severity=Severity.CRITICAL)
    assert page.reason is Reason.FIRST
    # 1 has ended in between: the digest is where anybody hears of it.
    (digest,) = ears.tell(3600, first=[2], ended=[1])
    assert (digest.reason, digest.new, _numbers(digest)) == (Reason.DIGEST, True, [1, 2])
    assert digest.why == "the digest of what is not critical: it stands for 2 messages, about 2 alerts"
    assert ears.tell(3700, resolved=[2]) == []
    (digest,) = ears.tell(7300)
    assert _numbers(digest) == [2]
    assert ears.pace.due_at is None


def test_what_becomes_critical_leaves_the_digest() -> None:
    ears = Ears(HOURLY)
    ears.tell(0, first=[1])
    (page,) = ears.tell(10, first=[1], severity=Severity.CRITICAL)
    assert page.reason is Reason.FIRST
    assert ears.tell(3600) == []


def test_beyond_the_budget_one_digest_says_how_many_messages_it_stands_for() -> None:
    ears = Ears(Pacing(budget=2))
    assert len(ears.tell(0, first=[1], key=None)) == 1
    assert len(ears.tell(60, first=[2], key=None)) == 1
    for number in (3, 4, 5):
        assert ears.tell(60 * number, first=[number], key=None) == []
        assert [(one.by, one.until) for one in ears.last.held] == [(Withheld.BUDGET, NOW + timedelta(hours=1))]
    assert ears.tell(350, resolved=[1], key=None) == []
    (page,) = ears.tell(400, first=[6], severity=Severity.CRITICAL, key=None)
    assert _numbers(page) == [6]
    (digest,) = ears.tell(3600, first=[3, 4, 5], key=None)
    assert (digest.reason, _numbers(digest)) == (Reason.DIGEST, [1, 3, 4, 5])
    expected = "more than 2 messages an hour were used up: it stands for 4 messages that were withheld, about 4 alerts"
    assert digest.why == expected
    assert len(ears.tell(7300, first=[7], key=None)) == 1


def test_a_resolve_that_only_edits_costs_nothing() -> None:
    ears = Ears(Pacing(budget=1, edits=True))
    ears.tell(0, first=[1], key=None)
    (message,) = ears.tell(10, resolved=[1], key=None)
    assert message.reason is Reason.RESOLVED
    assert ears.tell(20, first=[2], key=None) == []


@pytest.mark.parametrize("by", [["rule"], ["agent"], ["team", "rule"], []])
def test_a_groups_key_is_what_alerts_have_in_common(by: list[str]) -> None:
    one = group_key(by, rule="r", agent="a", labels={"team": "x", "n": "1"})
    same = group_key(by, rule="r", agent="a", labels={"team": "x", "n": "2"})
    other = group_key(by, rule="q", agent="b", labels={"team": "y"})
    assert one == same
    assert (one == other) == (not by)


@given(st.data())
def test_nothing_is_lost_or_told_twice_and_nobody_hears_a_resolve_without_its_firing(data: st.DataObject) -> None:
    asked = data.draw(
        st.builds(
            Pacing,
            wait=st.sampled_from([timedelta(0), timedelta(seconds=30)]),
            interval=st.sampled_from([timedelta(0), timedelta(minutes=5)]),
            except_critical=st.booleans(),
            digest=st.sampled_from([None, timedelta(minutes=10)]),
            budget=st.sampled_from([None, 1, 3]),
            edits=st.booleans(),
        )
    )
    severities = data.draw(st.lists(st.sampled_from(Severity), min_size=6, max_size=6))
    key = data.draw(st.sampled_from([None, "rule"]))
    ears = Ears(asked)
    open_now: set[int] = set()
    over: set[int] = set()
    firsts: dict[int, int] = {}
    resolves: dict[int, int] = {}
    asked_for: set[int] = set()

    def hear(messages: list[Outgoing]) -> None:
        for message in messages:
            for telling in message.tellings:
                number = telling.notice.alert_id.int
                if telling.notice.reason is Reason.FIRST:
                    firsts[number] = firsts.get(number, 0) + 1
                else:
                    assert firsts.get(number) == 1
                    resolves[number] = resolves.get(number, 0) + 1

    def tick(at: int, severity: Severity, newly_over: Sequence[int] = ()) -> None:
        waiting = [n for n in sorted(open_now) if n not in firsts and severities[n] is severity]
        told = [n for n in newly_over if n in firsts and severities[n] is severity]
        asked_for.update(told)
        hear(ears.tell(at, first=waiting, resolved=told, severity=severity, ended=sorted(over), key=key))

    at = 0
    for _ in range(data.draw(st.integers(3, 25))):
        at += 10
        changes = data.draw(st.sets(st.integers(0, 5), max_size=3))
        opening = {n for n in changes if n not in open_now and n not in over}
        ending = {n for n in changes if n in open_now}
        open_now = (open_now | opening) - ending
        over |= ending
        for severity in Severity:
            tick(at, severity, sorted(ending))
    for _ in range(3):
        at += 4000
        for severity in Severity:
            tick(at, severity)
    assert all(count == 1 for count in (*firsts.values(), *resolves.values()))
    assert open_now <= firsts.keys()
    assert resolves.keys() == asked_for
    assert ears.pace.due_at is None
