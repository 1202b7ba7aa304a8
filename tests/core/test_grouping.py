"""Label sets, their fingerprints, and one message per group."""

from itertools import product
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.grouping import Notice, fingerprint, group
from alerts.core.labels import Labels, agree, join, make_labels
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason, Severity

TENANT, OTHER = UUID(int=1), UUID(int=2)
GROUP = UUID(int=9)
OPS = Target(ChannelKind.SLACK, "#ops")
MAIL = Target(ChannelKind.EMAIL, "ops@example.com")


def notice(
    alert: int,
    *,
    tenant: UUID = TENANT,
    target: Target = OPS,
    reason: Reason = Reason.FIRST,
    severity: Severity = Severity.WARNING,
    group_id: UUID | None = None,
) -> Notice:
    return Notice(tenant, target, UUID(int=alert), reason, severity, group_id)


def test_500_alerts_of_one_pass_for_one_channel_are_one_message() -> None:
    (message,) = group(notice(alert) for alert in range(500))
    assert len(message.notices) == 500
    assert (message.tenant_id, message.target, message.group_id) == (TENANT, OPS, None)


def test_a_lone_alert_is_a_group_of_one() -> None:
    (message,) = group([notice(1)])
    assert message.notices == (notice(1),)


def test_targets_and_channel_kinds_are_told_apart() -> None:
    same_text = Target(ChannelKind.EMAIL, "#ops")
    messages = group([notice(1), notice(1, target=MAIL), notice(2), notice(2, target=same_text)])
    assert [(message.target, len(message.notices)) for message in messages] == [(OPS, 2), (MAIL, 1), (same_text, 1)]


def test_tenants_never_share_a_message() -> None:
    assert [message.tenant_id for message in group([notice(1), notice(2, tenant=OTHER)])] == [TENANT, OTHER]


def test_a_resolve_stays_with_the_group_that_was_told() -> None:
    messages = group(
        [
            notice(1, reason=Reason.RESOLVED, group_id=GROUP),
            notice(2),
            notice(3, reason=Reason.RESOLVED, group_id=GROUP),
        ]
    )
    assert [(message.group_id, len(message.notices), message.resolved) for message in messages] == [
        (GROUP, 2, True),
        (None, 1, False),
    ]


def test_the_most_severe_comes_first() -> None:
    (message,) = group([notice(1), notice(2, severity=Severity.CRITICAL), notice(3, severity=Severity.INFO), notice(4)])
    assert [member.alert_id.int for member in message.notices] == [2, 1, 4, 3]
    assert message.severity is Severity.CRITICAL


def test_a_fingerprint_is_the_same_everywhere_and_for_ever() -> None:
    assert fingerprint({"model": "a", "env": "prod"}) == fingerprint((("env", "prod"), ("model", "a")))
    assert fingerprint(()) == "7ebb3c7c2a87b1a2f8a7ed729ecb040d"
    assert fingerprint({"model": "ä", "env": "prod"}) == "ecbdf0d0d6d30e8a9c77b156f606ce31"


pairs = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3).map(make_labels)


@given(pairs, pairs)
def test_fingerprints_differ_when_labels_do(left: Labels, right: Labels) -> None:
    assert (fingerprint(left) == fingerprint(right)) == (left == right)


sets = st.sets(st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2).map(make_labels), max_size=5)


@given(sets, sets)
def test_join_is_a_full_outer_join_on_shared_labels(left: set[Labels], right: set[Labels]) -> None:
    pairs_that_agree = [(one, two) for one, two in product(left, right) if agree(one, two)]
    merged = {make_labels(one + two) for one, two in pairs_that_agree}
    alone = (left | right) - {one for one, _ in pairs_that_agree} - {two for _, two in pairs_that_agree}
    assert join(left, right) >= merged | alone
    for labels in join(left, right) - merged - alone:
        # In both collections, matched from one side only.
        assert labels in left & right


@given(sets)
def test_joining_with_no_labels_changes_nothing(some: set[Labels]) -> None:
    assert join(some, [()]) == (some or {()})


def test_join_of_many_sets_takes_no_long_time() -> None:
    many = {make_labels({"model": str(index)}) for index in range(20_000)}
    assert join(many, many) == many
