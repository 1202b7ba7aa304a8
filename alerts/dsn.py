"""Delivery status notifications as mail servers send them back: RFC 3464, in the multipart/report of RFC 6522."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from uuid import UUID

from alerts.core.wording import one_line

_OURS = re.compile(r"<([0-9a-fA-F-]{36})@")


@dataclass(frozen=True, slots=True)
class Report:
    """What came back. `failed`: recipients that will not get the mail, each with the reason; `notifications`: which
    of our mails it may be, by their Message-IDs."""

    failed: tuple[tuple[str, str], ...]
    notifications: tuple[UUID, ...]


def read_report(raw: bytes) -> Report:
    """Read a mail. One that is delayed, relayed or delivered has not failed. Raises ValueError for another mail."""
    mail = message_from_bytes(raw)
    parts = [part for part in mail.walk() if part.get_content_type() == "message/delivery-status"]
    if not parts:
        raise ValueError("it has no part of the type message/delivery-status")
    failed = [found for part in parts for found in _failed(part)]
    ids = [UUID(found) for text in _references(mail) for found in _OURS.findall(text) if _is_uuid(found)]
    return Report(tuple(failed), tuple(dict.fromkeys(ids)))


def _failed(part: Message) -> Iterator[tuple[str, str]]:
    """The groups of fields after the first speak of one recipient each (RFC 3464, 2.3)."""
    groups = part.get_payload()
    for group in groups if isinstance(groups, list) else []:
        if not isinstance(group, Message) or str(group.get("Action", "")).strip().lower() != "failed":
            continue
        recipient = group.get("Original-Recipient") or group.get("Final-Recipient") or ""
        diagnosis = str(group.get("Diagnostic-Code", "")).partition(";")[2]
        said = f"{group.get('Status', '')} {diagnosis}"
        yield one_line(str(recipient).partition(";")[2], 320).lower(), one_line(said, 300) or "it failed"


def _references(mail: Message) -> Iterator[str]:
    """Where the mail that came back is named: in the headers that came with the report, or in those of the report."""
    for part in mail.walk():
        if part.get_content_type() == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            if isinstance(text, bytes):
                yield str(message_from_string(text.decode(errors="replace")).get("Message-ID", ""))
        elif part is not mail:
            yield str(part.get("Message-ID", ""))
    for name in ("In-Reply-To", "References"):
        yield str(mail.get(name, ""))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
