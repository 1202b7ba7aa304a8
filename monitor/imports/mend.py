"""Values of other databases, put right: text read in the wrong encoding, NUL, times without a zone, numbers. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

# A first byte of a character in UTF-8 and one that goes on, both as Windows-1252 shows them.
_GOES_ON = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(f"[\u00c2-\u00f4][{_GOES_ON}]")
_UNFIT = re.compile("[\0\ud800-\udfff]")
EXACT = 2**53


def text(given: str) -> tuple[str, str | None]:
    """What was meant, and what was wrong with it.

    UTF-8 that was read as Windows-1252 and stored as such is read the other way round; where bytes were lost on the
    way it stays as it is. NUL and halves of characters cannot be stored and are dropped.
    """
    made, fault = _UNFIT.sub("", given), None
    if made != given:
        fault = "characters that cannot be stored were dropped"
    if _MOJIBAKE.search(made) is None:
        return made, fault
    try:
        return made.encode("cp1252").decode("utf-8"), "text that was UTF-8 read as Windows-1252 was mended"
    except UnicodeError:
        return made, "text looks like UTF-8 read as Windows-1252 and cannot be mended: it stays as it is"


def value(given: Any, zone: tzinfo) -> tuple[Any, list[str]]:
    """A value with every text in it mended and every time aware, and what was wrong."""
    faults: list[str] = []

    def mended(one: Any) -> Any:
        if isinstance(one, str):
            made, fault = text(one)
            if fault is not None:
                faults.append(fault)
            return made
        if isinstance(one, datetime) and one.tzinfo is None:
            return one.replace(tzinfo=zone)
        if isinstance(one, Mapping):
            return {mended(name): mended(inner) for name, inner in one.items()}
        if isinstance(one, list):
            return [mended(inner) for inner in one]
        return one

    return mended(given), faults


def number(given: Decimal | float) -> tuple[float | None, str | None]:
    """As a double, None where it is none; and what was lost."""
    made = float(given)
    if not math.isfinite(made):
        return None, "not a number"
    exact = isinstance(given, float) or abs(given) < EXACT or Decimal(made) == given
    return made, None if exact else "a whole number past 2^53 was rounded to a double"


def slug(name: str) -> str:
    """A name as it stands in addresses; empty where nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100]
