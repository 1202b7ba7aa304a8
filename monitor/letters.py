"""Mails of a few lines to one person: links that verify, reset and invite. By SMTP, or into a Maildir."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from alerts.channels.answers import TIMEOUT, unreachable
from alerts.channels.email import Server, addresses
from monitor.errors import ChannelError
from monitor.settings import Settings


class Letters:
    """Hands a mail over at once; nothing is tried again: whoever waits for it asks for another one."""

    def __init__(self, smtp_url: str, mail_from: str, *, now: Callable[[], datetime]) -> None:
        """As the settings of the same names."""
        self._name, self._address = parseaddr(mail_from)
        self._now = now
        self._url = smtp_url

    @classmethod
    def of(cls, settings: Settings, *, now: Callable[[], datetime]) -> "Letters | None":
        """From the settings; None where no mail can be sent."""
        return None if settings.smtp_url is None else cls(settings.smtp_url, settings.mail_from, now=now)

    async def __call__(self, to: str, subject: str, text: str) -> None:
        """Send. Raises ChannelError."""
        found, _ = addresses(to)
        if not found:
            raise ChannelError("no usable address", permanent=True)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = formataddr((self._name, self._address))
        mail["To"] = found[0]
        mail["Subject"] = subject
        mail["Date"] = format_datetime(self._now())
        mail["Message-ID"] = make_msgid(domain=self._address.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text, cte="quoted-printable")
        if self._url.startswith("maildir:"):
            await asyncio.to_thread(self._keep, Path(unquote(urlsplit(self._url).path)), mail)
        else:
            await self._hand_over(Server.parse(self._url), mail)

    async def _hand_over(self, server: Server, mail: EmailMessage) -> None:
        try:
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                use_tls=server.use_tls,
                start_tls=server.start_tls,
                validate_certs=server.start_tls is not None or server.username is not None or server.use_tls,
                timeout=TIMEOUT,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            raise unreachable("the mail server", fault) from fault

    def _keep(self, folder: Path, mail: EmailMessage) -> None:
        """Write into `tmp`, then rename into `new`, as Maildir asks: a reader never sees half a mail."""
        name = f"{int(self._now().timestamp())}.{mail['Message-ID'].strip('<>').partition('@')[0]}.agent-monitor"
        try:
            for part in ("tmp", "new", "cur"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / "tmp" / name).write_bytes(mail.as_bytes())
            (folder / "tmp" / name).replace(folder / "new" / name)
        except OSError as fault:
            raise ChannelError(f"the mail folder cannot be written: {fault.strerror}") from fault
