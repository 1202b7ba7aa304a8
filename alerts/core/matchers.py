"""Alertmanager's matchers: `agent="akira-001"`, `env=~"prod|stage"`, `team!=platform`, `model!~"claude.*"`.

A matcher compares one label; a label that an alert does not have is the empty text. Patterns are RE2's, take time in
proportion to the text whatever they are, and must match the whole value. Names and values may stand in double quotes,
with `\\"`, `\\\\` and `\\n` inside; several matchers of one text are parted by commas, with or without braces around.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import re2

from alerts.core.condition import ConditionError

MATCHERS_AT_MOST = 50
_TEXT_AT_MOST = 2_000
_PATTERN_MEMORY = 1 << 20
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}
_WORD = r'"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"\'`]+'
_ONE = re.compile(rf"\s*(?P<name>{_WORD})\s*(?P<op>=~|!~|!=|=)\s*(?P<value>{_WORD}|)\s*(?P<end>,|$)", re.DOTALL)


class MatchOp(StrEnum):
    """How a label is compared."""

    EQUAL = "="
    DIFFERENT = "!="
    PATTERN = "=~"
    NOT_PATTERN = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of one label."""

    name: str
    op: MatchOp
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels pass; one that is missing is the empty text."""
        found = labels.get(self.name, "")
        match self.op:
            case MatchOp.EQUAL:
                return found == self.value
            case MatchOp.DIFFERENT:
                return found != self.value
            case MatchOp.PATTERN:
                return _pattern(self.value).fullmatch(found) is not None
            case MatchOp.NOT_PATTERN:
                return _pattern(self.value).fullmatch(found) is None

    def __str__(self) -> str:
        """As Alertmanager writes it."""
        name = self.name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether labels pass all of the matchers; no matchers pass everything."""
    return all(matcher.matches(labels) for matcher in matchers)


def parse_matchers(raw: object, path: str = "matchers") -> tuple[Matcher, ...]:
    """The matchers in a list of texts, each with one or several. Raises ConditionError with the path of the fault."""
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        raise ConditionError(path, 'must be a list of texts such as "agent=\\"akira-001\\""')
    found: list[Matcher] = []
    for index, text in enumerate(raw):
        found += _parse(text, f"{path}[{index}]")
        if len(found) > MATCHERS_AT_MOST:
            raise ConditionError(path, f"at most {MATCHERS_AT_MOST} matchers are expected")
    return tuple(found)


def parse_scope(raw: object, path: str = "matchers") -> tuple[Matcher, ...]:
    """As `parse_matchers`, for what must not mean every alert: one matcher at least that no missing label passes."""
    found = parse_matchers(raw, path)
    if not any(not matcher.matches({}) for matcher in found):
        raise ConditionError(path, "one matcher at least must ask for a label that is not empty")
    return found


def _parse(text: object, path: str) -> Iterator[Matcher]:
    if not isinstance(text, str) or len(text) > _TEXT_AT_MOST or "\x00" in text:
        raise ConditionError(path, f"must be a text of at most {_TEXT_AT_MOST} characters")
    rest = text.strip()
    if rest.startswith("{") and rest.endswith("}"):
        rest = rest[1:-1].strip()
    if not rest:
        raise ConditionError(path, "has no matcher")
    at = 0
    while at < len(rest):
        one = _ONE.match(rest, at)
        if one is None:
            raise ConditionError(path, f'{rest[at:]!r} is not a matcher such as name="value"')
        matcher = Matcher(_plain(one["name"], path), MatchOp(one["op"]), _plain(one["value"], path))
        if not matcher.name:
            raise ConditionError(path, "a label must have a name")
        if matcher.op in (MatchOp.PATTERN, MatchOp.NOT_PATTERN):
            _check_pattern(matcher.value, path)
        yield matcher
        at = one.end()


def _plain(word: str, path: str) -> str:
    if not word.startswith('"'):
        return word

    def escaped(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise ConditionError(path, f"{found[0]} stands for nothing")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", escaped, word[1:-1], flags=re.DOTALL)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _check_pattern(value: str, path: str) -> None:
    try:
        _pattern(value)
    except re2.error as fault:
        said = fault.args[0] if fault.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ConditionError(path, f"not a pattern as RE2 has them: {reason}") from None


@lru_cache(maxsize=10_000)
def _pattern(value: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _PATTERN_MEMORY
    return re2.compile(value, options)
