"""Entity tags (RFC 9110, 8.8.3): so that nobody overwrites what they have not seen, and nobody reads twice the same."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header

from monitor.errors import PreconditionFailed

Match = Annotated[str | None, Header(alias="If-Match", description="the ETag that the change is based on")]
NoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="304 where it is still this one")]


def etag(row: Mapping[str, Any]) -> str:
    """The tag of a stored row: the same row has the same in every process, any change of it another."""
    return f'"{hashlib.blake2b(repr(sorted(row.items())).encode(), digest_size=12).hexdigest()}"'


def check_match(row: Mapping[str, Any], given: str | None) -> None:
    """Raise PreconditionFailed where If-Match says that the caller saw another row than this one."""
    if given is not None and not {"*", etag(row)} & _tags(given):
        raise PreconditionFailed("somebody changed it since you read it: read it again")


def is_known(row: Mapping[str, Any], given: str | None) -> bool:
    """Whether If-None-Match says that the caller has this row already."""
    if given is None:
        return False
    # A proxy that compresses makes weak ones of them, which is as good here.
    return bool({"*", etag(row)} & {tag.removeprefix("W/") for tag in _tags(given)})


def _tags(given: str) -> set[str]:
    return {part.strip() for part in given.split(",")}
