"""Reading the fields of a raw object one by one, so that every fault is told with its path."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from alerts.core.condition import ConditionError
from alerts.core.duration import format_duration, parse_duration
from alerts.core.labels import Labels, make_labels

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=31)

_LABELS_AT_MOST = 32
_NAMES_AT_MOST = 8
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
        return check_choice(self.require(name), self.at(name), tuple(kind))

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

    def positive(self, name: str, *, default: float | None = None, at_most: float | None = None) -> float:
        """A finite number above 0, and not above `at_most`."""
        if default is not None and not self.has(name):
            return default
        value = self.number(name)
        if value <= 0 or (at_most is not None and value > at_most):
            raise self.fault(name, "must be above 0" + ("" if at_most is None else f" and at most {at_most:g}"))
        return value

    def zone(self, name: str) -> str:
        """The IANA name of a time zone; UTC where it is not given."""
        if not self.has(name):
            return "UTC"
        value = self.text(name, at_most=64)
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise self.fault(name, "must be an IANA time zone such as Europe/Berlin") from None
        return value

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

    def truth(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.raw[name] if self.has(name) else default
        if not isinstance(value, bool):
            raise self.fault(name, "must be true or false")
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

    def pairs(self, name: str, *, reserved: Sequence[str] = (), known: Sequence[str] = ()) -> Labels:
        """A flat object of texts, or `()` where it is not given; `known`: the only keys there are."""
        if not self.has(name):
            return ()
        fields = Fields(self.raw[name], self.at(name))
        if len(fields.raw) > _LABELS_AT_MOST:
            raise ConditionError(fields.path, f"must have at most {_LABELS_AT_MOST} entries")
        if known:
            fields.allow(known)
        pairs = []
        for key, value in fields.raw.items():
            label = check_label(key, fields.at(key), reserved=reserved)
            pairs.append((label, check_text(value, fields.at(key), at_most=200)))
        return make_labels(pairs)

    def names(self, name: str, *, reserved: Sequence[str] = (), known: Sequence[str] = ()) -> tuple[str, ...]:
        """Different names of labels, or `()` where it is not given; `known`: the only ones there are."""
        if not self.has(name):
            return ()
        path = self.at(name)
        names: list[str] = []
        for index, entry in enumerate(check_list(self.raw[name], path, at_most=_NAMES_AT_MOST)):
            label = check_label(entry, f"{path}[{index}]", reserved=reserved)
            if known and label not in known:
                raise ConditionError(f"{path}[{index}]", f"must be one of {', '.join(known)}")
            if label in names:
                raise ConditionError(f"{path}[{index}]", "is there twice")
            names.append(label)
        return tuple(names)


def check_choice(value: object, path: str, choices: Sequence[_Choice]) -> _Choice:
    """One of some values of an enumeration."""
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    raise ConditionError(path, f"must be one of {', '.join(choices)}")


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
