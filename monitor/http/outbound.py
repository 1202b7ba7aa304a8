"""Calls to addresses that callers gave us: signed, never redirected, and never into networks that are not public.

A name is resolved once for a connection, every address of the answer is checked, and the connection goes to exactly
what was checked: a name that resolves to something else the next time gains nothing by it. An address in the place of
a name is checked before each request, those that redirects make among them.
"""

import hashlib
import hmac
import io
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""What a call raises that got no answer. ValueError: an address that cannot be one."""
EXCERPT = 2048
"""Bytes of an answer that are read: receivers are not trusted to be brief."""

# Not public although Python's registry says so, or carrying an IPv4 address that would have to be judged instead.
_SPECIAL = tuple(
    (ipaddress.ip_network(network), word)
    for network, word in (
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("169.254.169.254/32", "a cloud's metadata service"),
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("192.0.0.192/32", "a cloud's metadata service"),
        ("fd00:ec2::254/128", "a cloud's metadata service"),
        ("192.0.0.0/24", "reserved"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6"),
        ("::/96", "an IPv4 address in IPv6"),
        ("::ffff:0:0:0/96", "an IPv4 address in IPv6"),
        ("64:ff9b::/96", "an IPv4 address in IPv6 (NAT64)"),
        ("64:ff9b:1::/48", "an IPv4 address in IPv6 (NAT64)"),
        ("2002::/16", "an IPv4 address in IPv6 (6to4)"),
        ("2001::/32", "an IPv4 address in IPv6 (Teredo)"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("100.64.0.0/10", "shared by a carrier's customers"),
        ("fec0::/10", "private"),
    )
)


class Refused(OSError):
    """An address that must not be called. Trying again cannot help."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Exceptions that the operator makes: networks, and names whatever they resolve to."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Allowed":
        """From networks (`10.1.0.0/16`), addresses and host names."""
        networks, hosts = list[Network](), set[str]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                hosts.add(_name(entry))
        return cls(tuple(networks), frozenset(hosts))

    def check(self, address: Address) -> None:
        """Raise Refused for an address that is not public, unless it lies in an allowed network."""
        why = why_not(address)
        if why is not None and not any(address in network for network in self.networks):
            raise Refused(f"the address is {why}, which AGENT_MONITOR_WEBHOOK_ALLOW does not allow")

    def check_host(self, host: str) -> None:
        """Raise Refused for a host that is a refused address; a name is checked when it is resolved."""
        if _name(host) in self.hosts:
            return
        try:
            self.check(ipaddress.ip_address(host))
        except ValueError:
            # Numbers that some resolvers read as addresses: 2130706433, 127.1
            if ":" in host or host.replace(".", "").isdecimal():
                raise Refused(f"{host} is not an address in its usual form") from None

    def check_resolved(self, host: str, addresses: Iterable[str]) -> None:
        """Raise Refused unless each address that a name stands for may be called, or the name itself may."""
        if _name(host) not in self.hosts:
            for address in addresses:
                self.check(ipaddress.ip_address(address))


def check_url(url: str, allowed: Allowed) -> None:
    """Raise Refused for a URL that can be seen to lead to a refused address, without looking its name up."""
    try:
        allowed.check_host(urlsplit(url).hostname or "")
    except ValueError as error:
        raise Refused(str(error)) from None


NOTHING = Allowed()


def why_not(address: Address) -> str | None:
    """What an address is, if not a public one of a single machine."""
    for network, word in _SPECIAL:
        if address in network and not address.is_unspecified and not address.is_loopback:
            return word
    for kind in ("unspecified", "loopback", "link_local", "multicast", "private", "reserved"):
        if getattr(address, f"is_{kind}"):
            return kind.replace("_", "-")
    return None if address.is_global else "not a public one"


def refusal(error: BaseException) -> Refused | None:
    """The refusal behind an error of aiohttp, if that is what it was."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, Refused):
            return seen
        seen = seen.__cause__
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; of its text the beginning."""

    status: int
    headers: Mapping[str, str]
    said: str

    @property
    def ok(self) -> bool:
        """Whether it is 2xx."""
        return 200 <= self.status < 300


class Outbound:
    """A guarded way out. One for each owner, closed by it; connects when it is first used."""

    def __init__(self, allowed: Allowed, *, seconds: float, resolver: AbstractResolver | None = None) -> None:
        """`seconds` for a whole exchange; `resolver` in the place of the system's."""
        self._allowed = allowed
        self._seconds = seconds
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """For libraries that post by themselves; their redirects meet the same checks."""
        if self._session is None:
            resolver = _Checked(self._resolver or aiohttp.ThreadedResolver(), self._allowed)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
                middlewares=(self._check,),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], secret: bytes | None, at: datetime
    ) -> Answer:
        """POST JSON, signed where there is a secret. Redirects are not followed: they could lead a signed body
        elsewhere. Raises what FAILURES lists; `refusal` tells those that are for good."""
        sent = {"Content-Type": "application/json", "User-Agent": "agent-monitor", **headers}
        if secret is not None:
            sent["X-Agent-Monitor-Signature"] = signature(secret, body, at=at)
        async with self.session.post(url, data=io.BytesIO(body), headers=sent, allow_redirects=False) as answer:
            said = b"" if 200 <= answer.status < 300 else await answer.content.read(EXCERPT)
            return Answer(answer.status, answer.headers, said.decode(errors="replace"))

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()

    async def _check(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        self._allowed.check_host(request.url.host or "")
        return await send(request)


class _Checked(AbstractResolver):
    """A resolver whose answers have all been checked."""

    def __init__(self, resolver: AbstractResolver, allowed: Allowed) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises Refused when one of them must not be called."""
        found = await self._resolver.resolve(host, port, family)
        self._allowed.check_resolved(host, [one["host"] for one in found])
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()


def signature(secret: bytes, body: bytes, *, at: datetime) -> str:
    """`t=<unix seconds>,v1=<HMAC-SHA256 of "t.body", in hex>`: the time is signed, so replays show."""
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={hmac.new(secret, stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def _name(host: str) -> str:
    return host.lower().rstrip(".")
