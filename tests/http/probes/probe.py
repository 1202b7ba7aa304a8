"""What a probe of a route is."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.http.furnished.made import Furnished

Of = Callable[[Furnished], Any]

CSRF = hmac.new(b"", b"csrf", hashlib.sha256).hexdigest()
"""The token of a form that is sent without a cookie."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request about somebody's belongings.

    `others`: what it is answered with another tenant's key; where that is 2xx the answer must be their own data.
    `owner`: with the owner's key, which proves that the request is a good one. `everybodys`: it shows what belongs to
    the platform, the same to all. `after`: a route that the owner calls before, on the same thing.
    """

    others: int = 404
    owner: int = 200
    query: Of | None = None
    body: Of | None = None
    text: Of | None = None
    form: Mapping[str, str] | Of = field(default_factory=dict)
    everybodys: bool = False
    after: str | None = None

    def sent(self, owner: Furnished) -> dict[str, Any]:
        """What is sent beside method and address, as the client takes it."""
        given: dict[str, Any] = {}
        if self.query is not None:
            given["params"] = self.query(owner)
        if self.body is not None:
            given["json"] = self.body(owner)
        if self.text is not None:
            given["content"] = self.text(owner)
        if self.form:
            given["data"] = dict(self.form(owner) if callable(self.form) else self.form)
        return given


def own(**more: Any) -> Probe:
    """A list or a page: everybody gets their own."""
    return Probe(others=200, **more)
