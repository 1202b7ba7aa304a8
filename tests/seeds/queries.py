"""The statements of `sql/queries.md`, and what is bound in them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "sql" / "queries.md"
QUERIES = dict(re.findall(r"^## (.+?)\n(?:(?!^## ).)*?^```sql\n(.*?)^```", FILE.read_text(), re.MULTILINE | re.DOTALL))
"""By heading."""


def bound(query: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a statement names."""
    return {key: value for key, value in values.items() if re.search(rf"(?<!:):{key}\b", query)}
