"""Matchers as Alertmanager writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import ConditionError
from alerts.core.matchers import Matcher, MatchOp, matches, parse_matchers, parse_scope

PROD = {"agent": "akira-001", "env": "prod", "severity": "critical"}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('agent="akira-001"', True),
        ("agent=akira-001", True),
        ('agent="akira"', False),
        ('agent!="akira"', True),
        ('env=~"prod|stage"', True),
        ('env=~"pro"', False),
        ('env=~"pr.*"', True),
        ('env!~"prod|stage"', False),
        ('team=""', True),
        ('team!=""', False),
        ('team=~".+"', False),
        ('team!~".+"', True),
        ('{agent=~"akira-.*", env="prod"}', True),
        ('agent=~"akira-.*",env="stage"', False),
        ('"env"="prod"', True),
    ],
)
def test_a_matcher_passes_what_it_says_and_a_missing_label_is_empty(text: str, passes: bool) -> None:
    assert matches(parse_matchers([text]), PROD) is passes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no matcher"),
        ("agent", "is not a matcher"),
        ("agent=a b", "is not a matcher"),
        ('="x"', "is not a matcher"),
        ("agent='x'", "is not a matcher"),
        ("a=b,,c=d", "is not a matcher"),
        ('agent="x', "is not a matcher"),
        ('agent=~"("', "not a pattern"),
        (r'agent="\q"', "stands for nothing"),
        ('""="x"', "must have a name"),
        ("a=\x00", "must be a text"),
        ("a=" + "x" * 2_000, "must be a text"),
        (7, "must be a text"),
    ],
)
def test_what_is_no_matcher_is_refused_with_its_path(text: object, said: str) -> None:
    with pytest.raises(ConditionError, match=said) as refused:
        parse_matchers(["agent=x", text])
    assert refused.value.path == "matchers[1]"


@pytest.mark.parametrize("raw", ["agent=x", None, {"agent": "x"}])
def test_matchers_are_a_list(raw: object) -> None:
    with pytest.raises(ConditionError, match="must be a list"):
        parse_matchers(raw)


def test_what_would_cover_every_alert_is_no_scope() -> None:
    for empty in ([], ['team=""'], ['agent=~".*"'], ['team!="x"', 'env!~"y"']):
        with pytest.raises(ConditionError, match="not empty"):
            parse_scope(empty)
    assert parse_scope(['agent=~".+"'])


def test_there_are_not_too_many() -> None:
    with pytest.raises(ConditionError, match="at most 50"):
        parse_matchers([",".join(f"l{n}=x" for n in range(26))] * 2)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@given(st.builds(Matcher, _TEXTS.filter(bool), st.sampled_from([MatchOp.EQUAL, MatchOp.DIFFERENT]), _TEXTS))
def test_what_is_written_is_read_again(matcher: Matcher) -> None:
    assert parse_matchers([str(matcher)]) == (matcher,)


def test_a_pattern_takes_no_longer_for_being_nested() -> None:
    (matcher,) = parse_matchers(['agent=~"(a*)*b"'])
    assert not matcher.matches({"agent": "a" * 100_000})
