"""Configurations with secrets in them: sealed to be kept, covered to be shown, opened to start a server.

A value in its sealed form stands where the value stood. The environment of a server is sealed as a whole, name by name:
nobody can tell which of its values are no secrets.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from monitor.sealing import Ring, is_sealed
from monitor.tools.schema import Path

COVERED = "…sealed"
"""Shown in the place of a secret; sent back, the secret stays as it is."""


def place_of(config_id: UUID) -> str:
    """Where the secrets of a configuration belong."""
    return f"mcp_server_configs/{config_id}"


@dataclass(frozen=True, slots=True)
class Safe:
    """Seals and opens the secrets of one configuration."""

    ring: Ring
    tenant_id: UUID
    config_id: UUID

    def seal(self, values: Mapping[str, Any], secrets: frozenset[Path]) -> dict[str, Any]:
        """The same with what stands at these paths sealed, whatever it is. Raises Unavailable without a ring."""
        return _at(values, secrets, self._seal)

    def open(self, values: Mapping[str, Any], secrets: frozenset[Path]) -> dict[str, Any]:
        """The same with what was sealed as it was. Raises Unavailable."""
        return _at(values, secrets, self._open)

    def _seal(self, value: Any) -> str:
        return self.ring.seal(json.dumps(value), tenant_id=self.tenant_id, place=place_of(self.config_id))

    def _open(self, value: Any) -> Any:
        # What a schema marks as secret since then stands there as it was told.
        if not isinstance(value, str) or not is_sealed(value):
            return value
        return json.loads(self.ring.open(value, tenant_id=self.tenant_id, place=place_of(self.config_id)))


def cover(value: Any) -> Any:
    """What is shown: everything that is sealed is covered."""
    if isinstance(value, Mapping):
        return {name: cover(one) for name, one in value.items()}
    if isinstance(value, list):
        return [cover(one) for one in value]
    return COVERED if isinstance(value, str) and is_sealed(value) else value


def merge(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent is set, null is removed, and what is not sent or is sent covered stays; in what is nested too."""
    made = dict(old)
    for name, value in given.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, Mapping):
            before = made.get(name)
            made[name] = merge(before if isinstance(before, Mapping) else {}, value)
        elif value != COVERED:
            made[name] = value
    return made


def _at(values: Mapping[str, Any], paths: frozenset[Path], change: Callable[[Any], Any]) -> dict[str, Any]:
    made = dict(values)
    for name in {path[0] for path in paths} & made.keys():
        if (name,) in paths:
            made[name] = change(made[name])
        elif isinstance(made[name], Mapping):
            below = frozenset(path[1:] for path in paths if path[0] == name)
            made[name] = _at(made[name], below, change)
    return made
