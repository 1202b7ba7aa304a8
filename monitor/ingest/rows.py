"""Bodies that are read by Pydantic: a fault of theirs as one of our errors."""

from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from monitor.errors import InvalidInput, Unreadable

Body = TypeVar("Body", bound=BaseModel)


def decoded(raw: bytes) -> Any:
    """JSON. Raises Unreadable."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise Unreadable(f"the body is not JSON: {fault}") from None


def checked(body: type[Body], given: Any) -> Body:
    """What is given as this body. Raises InvalidInput that names each fault."""
    try:
        return body.model_validate(given)
    except ValidationError as fault:
        faults = tuple(
            {"path": ".".join(str(part) for part in one["loc"]), "error": one["msg"].removeprefix("Value error, ")}
            for one in fault.errors()
        )
        said = "; ".join(f"{one['path']}: {one['error']}" if one["path"] else one["error"] for one in faults)
        raise InvalidInput(said, faults=faults) from None


def validated(body: type[Body], raw: bytes) -> Body:
    """JSON as this body. Raises Unreadable, InvalidInput."""
    return checked(body, decoded(raw))
