"""Why notify now: the lines of the semantics one by one."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.policy import (
    ACK_LASTS,
    Acknowledgement,
    Decision,
    Heard,
    Reach,
    Withheld,
    decide,
    recipients,
)
from alerts.core.vocabulary import Reason, Severity
from tests.core.strategies import START

HOUR = timedelta(hours=1)
FIRST = Heard(START, Reason.FIRST)
REPEAT = Decision(reason=Reason.REPEAT)
NOTHING = Decision()


def at(
    hours: float,
    *,
    heard: Heard | None = FIRST,
    firing: bool = True,
    severity: Severity = Severity.WARNING,
    reach: Reach = Reach(base=True),
    acknowledged: Acknowledgement | None = None,
    muted_by: Withheld | None = None,
    unmuted_at: datetime | None = None,
    stale_since: datetime | None = None,
) -> Decision:
    return decide(
        now=START + hours * HOUR,
        firing=firing,
        severity=severity,
        repeat=4 * HOUR,
        heard=heard,
        reach=reach,
        acknowledged=acknowledged,
        muted_by=muted_by,
        unmuted_at=unmuted_at,
        stale_since=stale_since,
    )


def test_an_alert_is_told_once_and_then_every_repeat() -> None:
    assert at(0, heard=None) == Decision(reason=Reason.FIRST)
    assert at(0) == NOTHING
    assert at(3.99) == NOTHING
    assert at(4) == REPEAT
    assert at(7, heard=Heard(START + 4 * HOUR, Reason.REPEAT)) == NOTHING
    assert at(8, heard=Heard(START + 4 * HOUR, Reason.REPEAT)) == REPEAT


def test_whoever_heard_firing_hears_the_resolve() -> None:
    for reason in (Reason.FIRST, Reason.REPEAT, Reason.ESCALATED):
        assert at(1, firing=False, heard=Heard(START, reason)) == Decision(reason=Reason.RESOLVED)


def test_nobody_else_hears_the_resolve() -> None:
    assert at(1, firing=False, heard=None) == NOTHING
    assert at(1, firing=False, heard=Heard(START, Reason.RESOLVED)) == NOTHING


def test_acknowledge_stops_repeats_and_escalation() -> None:
    ack = Acknowledgement(START + ACK_LASTS, Severity.WARNING)
    assert at(5, acknowledged=ack) == Decision(withheld_by=Withheld.ACKNOWLEDGED, withheld=Reason.REPEAT)
    reach = Reach(base=False, escalated_at=START + HOUR)
    assert at(1, acknowledged=ack, reach=reach, heard=None) == Decision(
        withheld_by=Withheld.ACKNOWLEDGED, withheld=Reason.ESCALATED
    )


def test_acknowledge_ends_when_the_severity_rises() -> None:
    ack = Acknowledgement(START + ACK_LASTS, Severity.WARNING)
    assert at(5, acknowledged=ack, severity=Severity.CRITICAL) == REPEAT
    assert at(5, acknowledged=ack, severity=Severity.INFO).reason is None


def test_acknowledge_ends_when_it_expires() -> None:
    ack = Acknowledgement(START + ACK_LASTS, Severity.WARNING)
    assert at(23.9, acknowledged=ack).reason is None
    assert at(24, acknowledged=ack) == REPEAT


def test_acknowledge_does_not_stop_the_resolve_or_a_first_message() -> None:
    ack = Acknowledgement(START + ACK_LASTS, Severity.WARNING)
    assert at(1, acknowledged=ack, firing=False).reason is Reason.RESOLVED
    assert at(1, acknowledged=ack, heard=None).reason is Reason.FIRST


def test_a_mute_withholds_messages() -> None:
    assert at(0, heard=None, muted_by=Withheld.SILENCED) == Decision(
        withheld_by=Withheld.SILENCED, withheld=Reason.FIRST
    )
    assert at(1, muted_by=Withheld.SILENCED) == NOTHING


def test_a_silence_that_ends_while_firing_notifies() -> None:
    assert at(1, heard=None) == Decision(reason=Reason.FIRST)


def test_a_silence_that_ends_after_recovery_sends_nothing() -> None:
    assert at(1, heard=None, firing=False, unmuted_at=START) == NOTHING
    resolved = Heard(START, Reason.RESOLVED)
    assert at(2, heard=resolved, firing=False, unmuted_at=START + HOUR) == NOTHING


def test_the_resolve_reaches_who_heard_firing_in_spite_of_a_mute() -> None:
    assert at(1, firing=False, muted_by=Withheld.SNOOZED).reason is Reason.RESOLVED


def test_snooze_mutes_until_its_time_then_notifies_if_still_firing() -> None:
    until = START + 2 * HOUR
    assert at(1, muted_by=Withheld.SNOOZED, unmuted_at=until) == NOTHING
    assert at(2, unmuted_at=until) == REPEAT
    assert at(2.1, unmuted_at=until, heard=Heard(until, Reason.REPEAT)) == NOTHING


def test_repeats_of_a_stale_alert_stop_after_24_hours() -> None:
    assert at(23, stale_since=START) == REPEAT
    assert at(24, stale_since=START) == Decision(withheld_by=Withheld.STALE, withheld=Reason.REPEAT)
    reach = Reach(base=False, escalated_at=START + 25 * HOUR)
    assert at(25, stale_since=START, reach=reach).reason is Reason.ESCALATED


def test_escalation_addresses_each_step_when_its_time_has_passed() -> None:
    steps = [(2 * HOUR, ["boss", "ops"]), (HOUR, ["lead"])]

    def reached(hours: float) -> dict[str, Reach]:
        return recipients(["ops"], steps, opened_at=START, now=START + hours * HOUR)

    assert reached(0.9) == {"ops": Reach(base=True)}
    assert reached(1) == {"ops": Reach(base=True), "lead": Reach(base=False, escalated_at=START + HOUR)}
    assert reached(2)["ops"] == Reach(base=True, escalated_at=START + 2 * HOUR)
    assert reached(2)["boss"] == Reach(base=False, escalated_at=START + 2 * HOUR)


def test_escalation_is_told_once_and_then_repeated() -> None:
    reach = Reach(base=False, escalated_at=START + HOUR)
    assert at(1, heard=None, reach=reach) == Decision(reason=Reason.ESCALATED)
    told = Heard(START + HOUR, Reason.ESCALATED)
    assert at(2, heard=told, reach=reach) == NOTHING
    assert at(5, heard=told, reach=reach) == REPEAT


def test_one_of_the_rules_own_channels_is_told_again_by_a_step_that_names_it() -> None:
    reach = Reach(base=True, escalated_at=START + HOUR)
    assert at(1, heard=None, reach=reach) == Decision(reason=Reason.FIRST)
    assert at(1, reach=reach) == Decision(reason=Reason.ESCALATED)


def test_a_target_that_is_not_reached_yet_hears_nothing() -> None:
    assert at(0, heard=None, reach=Reach(base=False)) == NOTHING


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.booleans()), max_size=60))
def test_messages_of_a_target_begin_with_first_and_resolve_only_what_was_told(
    passes: list[tuple[int, bool, bool]],
) -> None:
    now = START
    heard: Heard | None = None
    told: list[Reason] = []
    for minutes, firing, muted in passes:
        now += timedelta(minutes=minutes)
        decision = decide(
            now=now,
            firing=firing,
            severity=Severity.WARNING,
            repeat=4 * HOUR,
            heard=heard,
            muted_by=Withheld.SILENCED if muted else None,
        )
        assert decision.reason is None or decision.withheld_by is None
        if decision.reason is not None:
            if decision.reason is Reason.REPEAT:
                assert heard is not None
                assert now - heard.at >= 4 * HOUR
            heard = Heard(now, decision.reason)
            told.append(decision.reason)
        if not firing:
            heard = None  # the next time it fires is another episode
    for before, after in zip([Reason.RESOLVED, *told], told, strict=False):
        assert (before is Reason.RESOLVED) == (after is Reason.FIRST)
