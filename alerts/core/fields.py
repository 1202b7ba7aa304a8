"""Reading the fields of a raw object one by one, so that every fault is told with its path."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from alerts.core.condition import ConditionError
from alerts.core.duration import format_duration, parse_duration
from alerts.core.labels import Labels, make_labels

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=31)

_LABELS_AT_MOST = 32
_SHOWN = 60
_Choice = TypeVar("_Choice", bound=StrEnum)


class Fields:
    """One raw object at a path. Each getter checks the type and the bounds of one field.

    Every getter raises ConditionError with the path of the field. A getter whose `default` is None stands for
    a required field, where its docstring does not say otherwise.
    """

    __slots__ = ("path", "raw")

    def __init__(self, raw: object, path: str) -> None:
        if not isinstance(raw, Mapping):
            raise ConditionError(path or "rule", "must be an object")
        self.raw: Mapping[object, object] = raw
        self.path = path

    def at(self, name: object) -> str:
        """The path of a field of this object."""
        return f"{self.path}.{shown(name)}" if self.path else shown(name)

    def fault(self, name: str, message: str) -> ConditionError:
        """The error for a field of this object, to be raised."""
        return ConditionError(self.at(name), message)

    def allow(self, known: Sequence[str]) -> None:
        """Refuse the first key that is not in `known`, and list those that are."""
        for name in self.raw:
            if name not in known:
                raise ConditionError(self.at(name), f"unknown key; known are {', '.join(known)}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.raw.get(name) is not None

    def require(self, name: str) -> object:
        """The raw value of a field that must be there."""
        if not self.has(name):
            raise self.fault(name, "is required")
        return self.raw[name]

    def text(self, name: str, *, at_most: int) -> str:
        """A required text that is not empty."""
        return check_text(self.require(name), self.at(name), at_most=at_most)

    def choice(self, name: str, kind: type[_Choice], default: _Choice | None = None) -> _Choice:
        """One of the values of an enumeration."""
        if default is not None and not self.has(name):
            return default
        value = self.require(name)
        if isinstance(value, str) and value in {str(member) for member in kind}:
            return kind(value)
        raise self.fault(name, f"must be one of {', '.join(kind)}")

    def number(self, name: str) -> float:
        """A required finite number."""
        value = self.require(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(name, "must be a number")
        # An integer may be too long for a float; NaN fails every comparison.
        if not abs(value) <= 1.7e308:
            raise self.fault(name, "must be a finite number")
        return float(value)

    def maybe_number(self, name: str) -> float | None:
        """A finite number, or None where it is not given."""
        return self.number(name) if self.has(name) else None

    def whole(self, name: str, *, default: int, at_most: int) -> int:
        """A whole number from 1 to `at_most`."""
        if not self.has(name):
            return default
        value = self.raw[name]
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fault(name, "must be a whole number")
        if not 1 <= value <= at_most:
            raise self.fault(name, f"must be from 1 to {at_most}")
        return value

    def duration(self, name: str, default: timedelta | None = None, *, at_least: timedelta = SHORTEST) -> timedelta:
        """A duration from `at_least` to 31 days."""
        if default is not None and not self.has(name):
            return default
        raw = self.require(name)
        try:
            value = parse_duration(raw)
        except ValueError as error:
            raise self.fault(name, str(error)) from None
        if not at_least <= value <= LONGEST:
            raise self.fault(name, f"must be from {format_duration(at_least)} to {format_duration(LONGEST)}")
        return value

    def maybe_duration(self, name: str) -> timedelta | None:
        """A duration from 1 second to 31 days, or None where it is not given."""
        return self.duration(name) if self.has(name) else None

    def pairs(self, name: str, *, reserved: Sequence[str] = ()) -> Labels:
        """A flat object of texts, or `()` where it is not given."""
        if not self.has(name):
            return ()
        fields = Fields(self.raw[name], self.at(name))
        if len(fields.raw) > _LABELS_AT_MOST:
            raise ConditionError(fields.path, f"must have at most {_LABELS_AT_MOST} entries")
        pairs = []
        for key, value in fields.raw.items():
            label = check_label(key, fields.at(key), reserved=reserved)
            pairs.append((label, check_text(value, fields.at(key), at_most=200)))
        return make_labels(pairs)


def check_text(value: object, path: str, *, at_most: int) -> str:
    """A text of 1 to `at_most` characters that has no NUL, which PostgreSQL cannot hold."""
    if not isinstance(value, str):
        raise ConditionError(path, "must be a text")
    if not value.strip():
        raise ConditionError(path, "must not be empty")
    if len(value) > at_most:
        raise ConditionError(path, f"must have at most {at_most} characters")
    if "\0" in value:
        raise ConditionError(path, "must not have a NUL in it")
    return value


def check_label(value: object, path: str, *, reserved: Sequence[str] = ()) -> str:
    """The name of a label or tag: not reserved, and without the leading `_` that marks our own."""
    name = check_text(value, path, at_most=100)
    if name in reserved or name.startswith("_"):
        raise ConditionError(path, "is a reserved name")
    return name


def check_list(value: object, path: str, *, at_most: int) -> Sequence[object]:
    """A list of 1 to `at_most` entries."""
    if not isinstance(value, list | tuple):
        raise ConditionError(path, "must be a list")
    if not value:
        raise ConditionError(path, "must not be empty")
    if len(value) > at_most:
        raise ConditionError(path, f"must have at most {at_most} entries")
    return value


def shown(name: object) -> str:
    """A key as it stands in a path; a very long one is cut."""
    text = str(name)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
