"""Labels and attributes of other protocols as tags.

Tags are flat text to text, and a few names are taken. So a value that is no text is spelled as JSON has it, and a
name that is taken gets another one: `agent` and `tenant` become `agent_` and `tenant_`, `_x` becomes `x_x`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

_TAKEN = {"agent": "agent_", "tenant": "tenant_"}


def text_of(value: Any) -> str:
    """A value as text: text as it is, nothing as the empty one, anything else as JSON spells it."""
    if type(value) is str:
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def tags_of(attributes: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Names that are free, with texts; of a name that comes twice, the last counts."""
    return {_free(name): text_of(value) for name, value in attributes}


def _free(name: str) -> str:
    return f"x{name}" if name.startswith("_") else _TAKEN.get(name, name)
