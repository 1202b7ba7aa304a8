"""Rows of POST /api/v1/messages: the fields under every name that platforms give them, checked, ready to number."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from monitor.errors import InvalidInput, MonitorError
from monitor.ingest import values
from monitor.ingest.decode import Rows
from monitor.ingest.privacy import Policy
from monitor.ingest.values import Fault, Warn, Window

ROLES = frozenset({"user", "assistant", "system", "tool"})
MOST_ATTACHMENTS = 100
_MOST_COUNT = 10**15
_EMPTY_LIST, _EMPTY_OBJECT = b"[]", b"{}"
_ATTACHMENT = frozenset({"name", "url", "id", "media_type", "size"})
# Messages of one request that are redacted in a thread, so that others are answered meanwhile.
_MANY = 500


class MessageIn(msgspec.Struct, forbid_unknown_fields=True):
    """A row. The first name of each field is ours, the others are what platforms also call it."""

    conversation: Any = None
    conversation_id: Any = None
    session_id: Any = None
    id: Any = None
    role: Any = None
    message_type: Any = None
    content: Any = None
    agent: Any = None
    agent_id: Any = None
    agent_name: Any = None
    agent_type: Any = None
    user: Any = None
    user_id: Any = None
    model: Any = None
    token_count: Any = None
    tokens: Any = None
    latency_ms: Any = None
    tool_calls: Any = None
    tool_results: Any = None
    attachments: Any = None
    reply_to: Any = None
    reply_to_id: Any = None
    replied_to: Any = None
    metadata: Any = None
    created_at: Any = None
    timestamp: Any = None


class MessageDraft(NamedTuple):
    """A good row whose conversation, agent and message replied to are still names. JSON is encoded."""

    row: int
    conversation: str
    external_id: str | None
    role: str
    content: str
    agent: str | None
    agent_type: str | None
    user: str | None
    model: str | None
    token_count: int | None
    latency_ms: int | None
    tool_calls: bytes | None
    tool_results: bytes | None
    attachments: bytes
    reply_to: str | None
    metadata: bytes
    at_us: int


class Checked(NamedTuple):
    """Good rows of a request, why the others are refused, and what was cut, by their index."""

    drafts: list[MessageDraft]
    refused: dict[int, MonitorError]
    warnings: list[tuple[int, str]]


def check(rows: Rows[MessageIn], window: Window) -> Checked:
    """Check rows one by one."""
    made = Checked([], {}, [])
    for index, row in enumerate(rows.rows):
        if isinstance(row, str):
            made.refused[index] = InvalidInput(row)
            continue
        try:
            if index in rows.extra:
                raise Fault(f"{values.clean(next(iter(rows.extra[index]))[:40])}: is none of the fields of a message")
            made.drafts.append(_draft(index, row, window, partial(_warn, made.warnings, index)))
        except Fault as fault:
            made.refused[index] = refusal(str(fault))
    return made


def _warn(warnings: list[tuple[int, str]], index: int, said: str) -> None:
    warnings.append((index, said))


def refusal(said: str) -> InvalidInput:
    """The error for a fault: its words name the field before a colon."""
    path, colon, error = said.partition(": ")
    return InvalidInput(error, path=path) if colon else InvalidInput(said)


async def redacted(drafts: Sequence[MessageDraft], policy: Policy) -> Sequence[MessageDraft]:
    """As the tenant wants them stored: what is posted directly is kept, without what its rules take out."""
    if policy.redactor is None:
        return drafts
    if len(drafts) < _MANY:
        return [_redacted(draft, policy) for draft in drafts]
    return await asyncio.to_thread(lambda: [_redacted(draft, policy) for draft in drafts])


def _redacted(draft: MessageDraft, policy: Policy) -> MessageDraft:
    def json(given: bytes | None) -> Any:
        return None if given is None else msgspec.json.encode(policy.value(msgspec.json.decode(given)))

    return draft._replace(
        content=policy.text(draft.content),
        conversation=policy.name(draft.conversation),
        user=None if draft.user is None else policy.name(draft.user),
        tool_calls=json(draft.tool_calls),
        tool_results=json(draft.tool_results),
        attachments=json(draft.attachments),
        metadata=json(draft.metadata),
    )


def _draft(index: int, row: MessageIn, window: Window, warn: Warn) -> MessageDraft:
    role = _one("role", row.role, row.message_type)
    if type(role) is not str or role not in ROLES:
        raise Fault("role: one of user, assistant, system, tool is expected")
    at = _one("created_at", row.created_at, row.timestamp)
    return MessageDraft(
        index,
        values.name(_one("conversation", row.conversation, row.conversation_id, row.session_id), "conversation"),
        _name(row.id, "id"),
        role,
        values.text("" if row.content is None and row.tool_calls is not None else row.content, "content", warn),
        _name(_one("agent", row.agent, row.agent_id, row.agent_name), "agent"),
        _name(row.agent_type, "agent_type"),
        _name(_one("user", row.user, row.user_id), "user"),
        _name(row.model, "model"),
        _count(_one("token_count", row.token_count, row.tokens), "token_count"),
        _count(row.latency_ms, "latency_ms"),
        None if row.tool_calls is None else values.body(row.tool_calls, "tool_calls", warn),
        None if row.tool_results is None else values.body(row.tool_results, "tool_results", warn),
        attachments(row.attachments, warn),
        _name(_one("reply_to", row.reply_to, row.reply_to_id, row.replied_to), "reply_to"),
        metadata(row.metadata, warn),
        # Rows without a time are a microsecond apart: they keep their order.
        window.now_us + index if at is None else window.check(values.time_us(at, "created_at"), "created_at"),
    )


def _one(field: str, *given: Any) -> Any:
    """What was said of a field, under whichever of its names."""
    said = [one for one in given if one is not None]
    if len(said) > 1:
        raise Fault(f"{field}: said more than once, under different names")
    return said[0] if said else None


def _name(value: object, field: str) -> str | None:
    """A name, or a number as one."""
    if value is None:
        return None
    if type(value) is int:
        value = str(value) if abs(value) < 10**values.NAME_LIMIT else ""
    return values.name(value, field)


def _count(value: object, field: str) -> int | None:
    if value is None:
        return None
    if type(value) is not int:
        raise Fault(f"{field}: a whole number is expected, not {values.kind_of(value)}")
    if not 0 <= value <= _MOST_COUNT:
        raise Fault(f"{field}: negative" if value < 0 else f"{field}: more than {_MOST_COUNT}")
    return value


def metadata(value: object, warn: Warn) -> bytes:
    """An object as JSON."""
    if value is None or value == {}:
        return _EMPTY_OBJECT
    if type(value) is not dict:
        raise Fault(f"metadata: an object is expected, not {values.kind_of(value)}")
    return values.body(value, "metadata", warn)


def attachments(value: object, warn: Warn) -> bytes:
    """What hangs on a message, as JSON: where each is and what it is, never the thing itself. A text is a URL or id."""
    if value is None or value == []:
        return _EMPTY_LIST
    if type(value) is not list:
        raise Fault(f"attachments: an array is expected, not {values.kind_of(value)}")
    if len(value) > MOST_ATTACHMENTS:
        raise Fault(f"attachments: at most {MOST_ATTACHMENTS} are expected, not {len(value)}")
    return values.body([_attachment(one) for one in value], "attachments", warn)


def _attachment(given: object) -> object:
    if type(given) is str and given:
        return {"url" if "://" in given else "id": given}
    if type(given) is not dict or not given:
        raise Fault("attachments: each is a URL, an id, or an object that says which and what it is")
    unknown = given.keys() - _ATTACHMENT
    if unknown:
        raise Fault(f"attachments: {values.clean(min(unknown)[:40])} is none of name, url, id, media_type, size")
    if not {"url", "id", "name"} & given.keys():
        raise Fault("attachments: one of url, id, name is expected")
    for name in given.keys() - {"size"}:
        if type(given[name]) is not str:
            raise Fault(f"attachments: {name} is text")
    if "size" in given and (type(given["size"]) is not int or given["size"] < 0):
        raise Fault("attachments: size is a whole number of bytes")
    return given
