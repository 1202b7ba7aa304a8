"""What withholds an alert's messages, decided from what is known at one moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import All, Any, Condition, HeartbeatLeaf, Not, StateLeaf, StatusLeaf
from alerts.core.flapping import Flaps
from alerts.core.matchers import parse_matchers
from alerts.core.muting import Inhibition, Mute, Muted, Muting, Scope, Subject, follow, labels_of, says_dead
from alerts.core.policy import Withheld
from alerts.core.terms import AgentState, ExecutionStatus
from alerts.core.vocabulary import Severity

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENANT, OTHER = UUID(int=1), UUID(int=2)


def _alert(
    number: int, rule: str, agent: str = "akira-001", *, age: int = 1, dead: bool = False, **own: str
) -> Subject:
    labels = labels_of(own, agent=agent, agent_type="coder", rule=rule, severity=Severity.WARNING)
    agent_id = UUID(bytes=agent.encode().ljust(16)[:16])
    return Subject(TENANT, UUID(int=number), labels, Severity.WARNING, NOW - age * MINUTE, agent_id=agent_id, dead=dead)


def _scope(*matchers: str, name: str = "s", by: Withheld = Withheld.SILENCED, minutes: int = 5) -> Scope:
    return Scope(by, name, f"why {name}", NOW + minutes * MINUTE, parse_matchers(matchers))


def _rule(source: str, target: str, *equal: str) -> Inhibition:
    return Inhibition(f"{source} over {target}", parse_matchers([source]), parse_matchers([target]), equal)


def _sources(muting: Muting, *alerts: Subject) -> list[str]:
    return [mute.source if (mute := muting.of(alert)) else "" for alert in alerts]


def test_a_scope_covers_what_it_matches_in_its_tenant_and_the_last_to_end_is_named() -> None:
    scopes = [
        _scope("agent=akira-001", name="a"),
        _scope("rule=~Sl.*", name="b", minutes=9),
        _scope("agent=x", name="c"),
    ]
    muting = Muting(NOW, scopes={TENANT: scopes})
    slow = _alert(1, "Slow")
    assert muting.of(slow) == Mute(Withheld.SILENCED, "b", "why b", NOW + 9 * MINUTE)
    assert muting.of(_alert(1, "Fails")) == Mute(Withheld.SILENCED, "a", "why a", NOW + 5 * MINUTE)
    assert muting.of(_alert(1, "Fails", "akira-002")) is None
    assert muting.of(replace(slow, tenant_id=OTHER)) is None


def test_a_window_without_matchers_covers_everything() -> None:
    muting = Muting(NOW, scopes={TENANT: [_scope(name="w", by=Withheld.MAINTENANCE)]})
    mute = muting.of(_alert(1, "Slow"))
    assert mute is not None
    assert (mute.by, mute.source) == (Withheld.MAINTENANCE, "w")


def test_a_snooze_holds_up_to_its_time_and_comes_before_the_rest() -> None:
    muting = Muting(NOW, scopes={TENANT: [_scope("agent=akira-001")]})
    snooze = Mute(Withheld.SNOOZED, "user:ada", until=NOW + MINUTE)
    assert muting.of(_alert(1, "Slow"), snooze=snooze) == snooze
    over = muting.of(_alert(1, "Slow"), snooze=msgspec.structs.replace(snooze, until=NOW))
    assert over is not None
    assert over.by is Withheld.SILENCED


def test_a_dead_agent_explains_what_is_said_of_it_unless_that_is_worse() -> None:
    dead = _alert(1, "Dead", dead=True)
    muting = Muting(NOW, alerts=[dead])
    slow = _alert(2, "Slow")
    mute = muting.of(slow)
    assert mute == Mute(Withheld.INHIBITED, str(dead.alert_id), "Dead on akira-001")
    assert muting.of(replace(slow, severity=Severity.CRITICAL)) is None
    assert muting.of(_alert(3, "Slow", "akira-002")) is None
    assert muting.of(dead) is None
    assert muting.of(_alert(4, "Gone", dead=True)) is None


def test_what_rests_on_points_that_are_missing_waits_while_the_store_is_blind() -> None:
    blind = _alert(9, "history store unreachable", "agent-monitor")
    muting = Muting(NOW, blind=blind)
    mute = muting.of(_alert(1, "Slow"), unread=True)
    assert mute is not None
    assert (mute.by, mute.source) == (Withheld.INHIBITED, str(blind.alert_id))
    assert muting.of(_alert(1, "Slow")) is None
    assert Muting(NOW).of(_alert(1, "Slow"), unread=True) is None


def test_a_tenants_rule_needs_equal_labels_and_a_missing_one_equals_an_empty_one() -> None:
    down = _alert(1, "Down", "db", cluster="a")
    muting = Muting(NOW, inhibitions={TENANT: [_rule("rule=Down", "rule=Slow", "cluster")]}, alerts=[down])
    assert _sources(muting, _alert(2, "Slow", cluster="a")) == [str(down.alert_id)]
    assert (
        _sources(muting, _alert(2, "Slow", cluster="b"), _alert(3, "Slow"), _alert(4, "Fails", cluster="a")) == [""] * 3
    )
    unlabelled = _alert(5, "Down", "db")
    muting = Muting(NOW, inhibitions={TENANT: [_rule("rule=Down", "rule=Slow", "cluster")]}, alerts=[unlabelled])
    assert _sources(muting, _alert(3, "Slow")) == [str(unlabelled.alert_id)]


def test_an_alert_on_both_sides_is_withheld_only_by_one_that_is_on_the_source_side_alone() -> None:
    rule = Inhibition("cascade", parse_matchers(["agent=~.+"]), parse_matchers(["rule=Slow"]))
    first, second = _alert(1, "Slow", "a", age=9), _alert(2, "Slow", "b")
    muting = Muting(NOW, inhibitions={TENANT: [rule]}, alerts=[first, second])
    assert _sources(muting, first, second) == ["", ""]
    root = _alert(3, "Down", "c")
    muting = Muting(NOW, inhibitions={TENANT: [rule]}, alerts=[first, second, root])
    assert _sources(muting, first, second, root) == [str(root.alert_id), str(root.alert_id), ""]


def test_the_root_is_named_and_of_a_ring_the_oldest_is_told() -> None:
    chain = [_rule("rule=A", "rule=B"), _rule("rule=B", "rule=C")]
    a, b, c = _alert(1, "A", age=1), _alert(2, "B", age=2), _alert(3, "C", age=3)
    assert _sources(Muting(NOW, inhibitions={TENANT: chain}, alerts=[a, b, c]), a, b, c) == [
        "",
        str(a.alert_id),
        str(a.alert_id),
    ]
    ring = Muting(NOW, inhibitions={TENANT: [*chain, _rule("rule=C", "rule=A")]}, alerts=[a, b, c])
    assert _sources(ring, a, b, c) == [str(c.alert_id), str(c.alert_id), ""]


@given(
    st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("ABCD")), max_size=6),
    st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 9), st.booleans()), min_size=1, max_size=6),
)
def test_inhibition_never_withholds_everything_and_names_somebody_who_is_told(
    rules: list[tuple[str, str]], alerts: list[tuple[str, int, bool]]
) -> None:
    subjects = [_alert(n + 1, rule, age=age, dead=dead) for n, (rule, age, dead) in enumerate(alerts)]
    inhibitions = {TENANT: [_rule(f"rule={source}", f"rule={target}") for source, target in rules]}
    muting = Muting(NOW, inhibitions=inhibitions, alerts=subjects)
    sources = dict(zip((str(one.alert_id) for one in subjects), _sources(muting, *subjects), strict=True))
    assert "" in sources.values()
    assert all(sources[source] == "" for source in sources.values() if source)


def test_flapping_holds_its_peace_except_where_it_says_so() -> None:
    fired = tuple(NOW - n * MINUTE for n in (3, 2, 1, 0))
    flaps = Flaps(fired, NOW, fired[-1], fired[-1])
    muting = Muting(NOW)
    assert muting.of(_alert(1, "Slow"), flaps=flaps) is None
    mute = muting.of(_alert(1, "Slow"), flaps=msgspec.structs.replace(flaps, said_at=fired[0]))
    assert mute is not None
    assert mute.by is Withheld.FLAPPING


def test_only_what_people_asked_for_is_followed_by_a_word_when_it_ends() -> None:
    silence, snooze = Mute(Withheld.SILENCED, "1", "deploy"), Mute(Withheld.SNOOZED, "user:ada")
    inhibited = Mute(Withheld.INHIBITED, "2", "Dead on akira-001")
    assert follow(follow(Muted(), silence, NOW), None, NOW + MINUTE) == Muted("", "silence (deploy)", NOW + MINUTE)
    assert follow(follow(Muted(), inhibited, NOW), None, NOW + MINUTE) == Muted()
    through = follow(follow(follow(Muted(), snooze, NOW), inhibited, NOW), None, NOW + MINUTE)
    assert through == Muted("", "snooze", NOW + MINUTE)
    assert follow(through, None, NOW + 2 * MINUTE) == through


@pytest.mark.parametrize(
    ("condition", "dead"),
    [
        (HeartbeatLeaf(), True),
        (StateLeaf(AgentState.DEAD), True),
        (StateLeaf(AgentState.STALLED), False),
        (StatusLeaf(ExecutionStatus.ERROR), False),
        (All((StatusLeaf(ExecutionStatus.ERROR), HeartbeatLeaf())), True),
        (Any((StatusLeaf(ExecutionStatus.ERROR), HeartbeatLeaf())), False),
        (Any((StateLeaf(AgentState.DEAD), HeartbeatLeaf())), True),
        (Not(HeartbeatLeaf()), False),
    ],
)
def test_which_conditions_say_that_an_agent_is_dead(condition: Condition, dead: bool) -> None:
    assert says_dead(condition) is dead


def test_what_every_alert_has_of_its_own_cannot_be_taken_by_a_label() -> None:
    labels = labels_of({"agent": "x", "team": "core"}, agent="a", agent_type=None, rule="r", severity=Severity.INFO)
    assert labels == {"agent": "a", "agent_type": "", "rule": "r", "severity": "info", "team": "core"}
