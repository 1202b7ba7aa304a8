"""Forms of signed-in people: what they send goes to the API's own functions, and what is wrong with it is shown."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError

from monitor.errors import Conflict, InvalidInput, MonitorError
from monitor.http.problems import audit_refusal

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed and what is wrong with it: `path` names the field, "" the form as a whole.

    `of`: which of a page's forms it was. Without `wrong` nothing was sent, or it was right.
    """

    of: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    wrong: str = ""
    status: int = 200

    def value(self, of: str, name: str, default: str = "") -> str:
        """What a field of a form holds when the page is shown."""
        return self.values.get(name, "") if self.of == of else default

    def fault(self, of: str, name: str) -> str:
        """What is wrong with a field of a form; "" for nothing."""
        return self.wrong if self.of == of and self.path == name else ""


NOTHING = Typed()


def given(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """Those fields that something was typed into, without blanks around it and without what cannot be stored."""
    found = {name: form.get(name, "").strip().replace("\x00", "\ufffd") for name in names}
    return {name: value for name, value in found.items() if value}


def body_of(kind: type[Body], values: Mapping[str, Any]) -> Body:
    """The body that the API takes. Raises InvalidInput, of the first field that is wrong."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"] if isinstance(part, str))
        raise InvalidInput(fault["msg"][:1].lower() + fault["msg"][1:], path=path or None) from None


async def tried(
    request: Request, of: str, form: Mapping[str, str], fields: tuple[str, ...], do: Callable[[], Awaitable[Any]]
) -> Typed | None:
    """Do what a form asks for. Returns what to show where it was refused, which the trail is told of; None: it is done.

    `fields`: those of the form; what is wrong with anything else is said at its head.
    """
    try:
        await do()
    except (InvalidInput, Conflict) as error:
        await audit_refusal(request, error)
        path = (error.path or "").partition(".")[0].partition("[")[0] if isinstance(error, InvalidInput) else ""
        known = path if path in fields else ""
        return Typed(of, form, known, _said(error, whole=not known), error.status)
    return None


def done(path: str) -> RedirectResponse:
    """Where to look at what was done."""
    return RedirectResponse(path, status_code=303)


def _said(error: MonitorError, *, whole: bool) -> str:
    """The fault in words; without the name of its field, where it stands beside that."""
    text = error.message
    if not whole and isinstance(error, InvalidInput) and error.path:
        text = text.removeprefix(f"{error.path}: ")
    return text[:1].upper() + text[1:]
