"""Email by SMTP, or into a Maildir: plain text and HTML, one thread per notification group."""

import asyncio
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, getaddresses, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from alerts.channels.answers import TIMEOUT, unreachable
from alerts.channels.html import Page
from alerts.channels.links import as_text, links_for
from alerts.core.message import Message, Reference, text, title
from alerts.core.vocabulary import ChannelKind
from alerts.core.wording import one_line
from alerts.offers import Offers
from monitor.errors import ChannelError, ConfigError

_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"]{1,253}")
_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_REMEMBERED = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over, from `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""

    host: str
    port: int
    username: str | None
    password: str | None
    use_tls: bool
    start_tls: bool | None
    """None: if the server offers it. Certificates are then checked only where a password is at stake."""

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Raises ConfigError."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError) as error:
            raise ConfigError("AGENT_MONITOR_SMTP_URL: smtp://, smtps://, smtp+starttls:// expected") from error
        return cls(
            host=parts.hostname or "localhost",
            port=port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            start_tls={"smtp": None, "smtps": False, "smtp+starttls": True}[parts.scheme],
        )


class EmailChannel:
    """The target is one address or several, separated by commas. Each gets a copy with links of its own."""

    kind = ChannelKind.EMAIL

    def __init__(self, smtp_url: str | None, mail_from: str, offers: Offers | None = None) -> None:
        """`smtp_url` None: nothing can be sent; `maildir:///path`: mails become files. Raises ConfigError.

        `offers`: with it mails have links by which an alert is answered.
        """
        self._offers = offers
        self._sender_name, self._sender = parseaddr(mail_from)
        if not _ADDRESS.fullmatch(self._sender) or not self._sender.isascii():
            raise ConfigError("AGENT_MONITOR_MAIL_FROM: an address such as Monitor <monitor@example.com> expected")
        maildir = smtp_url is not None and smtp_url.startswith("maildir:")
        self._maildir = Path(unquote(urlsplit(smtp_url).path)) if smtp_url and maildir else None
        self._server = Server.parse(smtp_url) if smtp_url and not maildir else None
        self._page = Page()
        # Who has a mail already whose other recipients were put off: a retry by this process spares them.
        self._accepted: OrderedDict[UUID, set[str]] = OrderedDict()

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Send to all addresses. Returns `message_id`, the thread's `root`, and who was `refused` for good.

        Raises ChannelError: permanent when every recipient, or the mail itself, was refused with 5xx.
        """
        if self._server is None and self._maildir is None:
            raise ChannelError("email is not set up: AGENT_MONITOR_SMTP_URL is empty", permanent=True)
        recipients, refused = addresses(target)
        if not recipients:
            raise ChannelError(f"no usable address in {one_line(target, 100)!r}", permanent=True)
        root = thread_root(previous if previous is not None else message.thread_root)
        copies = {reader: self.compose(message, recipients, root, reader=reader) for reader in recipients}
        if self._maildir is not None:
            # A folder has one reader.
            await asyncio.to_thread(_store, self._maildir, copies[recipients[0]], message)
        elif self._server is not None:
            refused |= await self._hand_over(self._server, copies, message)
        message_id = copies[recipients[0]]["Message-ID"]
        reference = {"message_id": message_id, "root": root or message_id}
        if refused:
            log.warning("email refused for good for %d of %d recipients", len(refused), len(recipients))
            reference["refused"] = "; ".join(f"{who}: {why}" for who, why in sorted(refused.items()))[:1000]
        return reference

    async def close(self) -> None:
        """Nothing is kept open: each mail has its own connection."""

    def compose(self, message: Message, recipients: list[str], root: str | None, *, reader: str) -> EmailMessage:
        """The copy for one of the recipients as it is sent; the same message always gives the same bytes."""
        links = {} if self._offers is None else links_for(reader, message, self._offers)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = formataddr((self._sender_name, self._sender))
        mail["To"] = ", ".join(recipients)
        mail["Subject"] = title(message)
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.notification_id}@{self._sender.rpartition('@')[2]}>"
        if root is not None and root != mail["Message-ID"]:
            mail["In-Reply-To"] = root
            mail["References"] = root
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Agent-Monitor-Group"] = str(message.group_id)
        if len(message.lines) == 1:
            mail["X-Agent-Monitor-Alert"] = str(message.lines[0].alert_id)
        mail.set_content(text(message) + as_text(message, links), cte="quoted-printable")
        mail.add_alternative(self._page.render(message, links), subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{message.notification_id.hex}")
        return mail

    async def _hand_over(self, server: Server, copies: dict[str, EmailMessage], message: Message) -> dict[str, str]:
        """Hand each recipient's copy over. Returns who was refused for good, and why."""
        taken = self._remembered(message.notification_id)
        unknown = set[str]()
        errors = await self._exchange(server, copies, taken, unknown)
        put_off = {who: said for who, (code, said) in errors.items() if code < 500}
        if put_off:
            who, said = next(iter(put_off.items()))
            raise ChannelError(f"the mail server put off {who}: {said}")
        self._accepted.pop(message.notification_id, None)
        if not taken:
            who, (code, said) = next(iter(errors.items()))
            bounced = unknown >= errors.keys()
            raise ChannelError(f"the mail server refused {who}: {code} {said}", permanent=True, bounced=bounced)
        return {who: f"{code} {said}" for who, (code, said) in errors.items()}

    async def _exchange(
        self, server: Server, copies: dict[str, EmailMessage], taken: set[str], unknown: set[str]
    ) -> dict[str, tuple[int, str]]:
        """One SMTP session. Adds to `taken` who has the mail; returns who was refused, with code and text.

        `unknown`: of those, whose address was refused, and not the mail.
        """
        errors: dict[str, tuple[int, str]] = {}
        session = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.use_tls,
            start_tls=server.start_tls,
            validate_certs=server.start_tls is not None or server.username is not None or server.use_tls,
            timeout=TIMEOUT,
        )
        try:
            async with session:
                for reader in [one for one in copies if one not in taken]:
                    try:
                        await session.sendmail(self._sender, [reader], copies[reader].as_bytes())
                    except aiosmtplib.SMTPRecipientsRefused as error:
                        (refusal,) = error.recipients
                        errors[reader] = refusal.code, one_line(refusal.message, 200)
                        unknown.add(reader)
                    except aiosmtplib.SMTPResponseException as error:
                        errors[reader] = error.code, one_line(error.message, 200)
                    else:
                        taken.add(reader)
        except aiosmtplib.SMTPResponseException as error:
            said = f"the mail server answered {error.code} {one_line(error.message, 200)}"
            raise ChannelError(said, permanent=error.code >= 500) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise unreachable("the mail server", error) from error
        return errors

    def _remembered(self, notification_id: UUID) -> set[str]:
        taken = self._accepted.setdefault(notification_id, set())
        while len(self._accepted) > _REMEMBERED:
            self._accepted.popitem(last=False)
        return taken


def addresses(target: str) -> tuple[list[str], dict[str, str]]:
    """The usable addresses of a target, in order and once each; and the others, with the reason."""
    usable: dict[str, None] = {}
    refused = {}
    for _, given in getaddresses([one_line(target, 10_000)]):
        local, _, domain = given.rpartition("@")
        try:
            plain = f"{local}@{domain.encode('idna').decode()}"
        except UnicodeError:
            plain = ""
        if plain.isascii() and _ADDRESS.fullmatch(plain):
            usable[plain] = None
        else:
            refused[one_line(given, 100)] = "not an address that can be written to"
    return list(usable), refused


def thread_root(previous: Reference | None) -> str | None:
    """The Message-ID that started the thread, from the reference of any mail in it."""
    root = None if previous is None else previous.get("root") or previous.get("message_id")
    return None if not root else one_line(root, 300)


def _store(maildir: Path, mail: EmailMessage, message: Message) -> None:
    """Write into `tmp`, then rename into `new`, as Maildir asks: a reader never sees half a mail."""
    name = f"{int(message.at.timestamp())}.{message.notification_id}.agent-monitor"
    try:
        for folder in ("tmp", "new", "cur"):
            (maildir / folder).mkdir(parents=True, exist_ok=True)
        (maildir / "tmp" / name).write_bytes(mail.as_bytes())
        (maildir / "tmp" / name).replace(maildir / "new" / name)
    except OSError as error:
        raise ChannelError(f"the mail folder cannot be written: {error.strerror}") from error
