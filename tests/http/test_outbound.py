"""Calls to callers' addresses: what is refused, by whatever way it is reached."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from monitor.http.outbound import FAILURES, NOTHING, Allowed, Answer, Outbound, refusal, why_not
from tests.channels.servers import LOOPBACK, Stub, serving, signed
from tests.channels.servers import Answer as Says

AT = datetime(2026, 3, 1, tzinfo=UTC)

NOT_PUBLIC = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16", "192.0.0.8",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8",
    "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::", "2001:0:808:808::", "2001:db8::1", "fe80::1", "fe80::1%1",
    "fec0::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "ff02::1", "100::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "2606:4700::1", "2a00::1"]


class Book(AbstractResolver):
    """A resolver that answers from a book; a name with several answers gives the next one each time."""

    def __init__(self, answers: dict[str, list[list[str]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next answer for a name."""
        self.asked.append(host)
        answers = self.answers[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0, flags=0,
            )
            for each in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
async def receiver() -> AsyncIterator[Stub]:
    """Somebody on the loopback interface, who must not be reached unless allowed."""
    async with serving(Stub()) as stub:
        yield stub


async def call(url: str, allowed: Allowed = NOTHING, resolver: AbstractResolver | None = None) -> Answer:
    """One call from a fresh way out."""
    outbound = Outbound(allowed, seconds=5, resolver=resolver)
    try:
        return await outbound.post(url, b"{}", headers={}, secret=b"s" * 32, at=AT)
    finally:
        await outbound.close()


async def refused(url: str, allowed: Allowed = NOTHING, resolver: AbstractResolver | None = None) -> str:
    """Why a call is refused."""
    with pytest.raises(FAILURES) as caught:
        await call(url, allowed, resolver)
    found = refusal(caught.value)
    assert found is not None, repr(caught.value)
    return str(found)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_told_apart(address: str) -> None:
    assert why_not(ipaddress.ip_address(address)) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_one(address: str) -> None:
    assert why_not(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "0x7f.0.0.1", "0x7f000001", "0177.0.0.1", "0", "127.1",
        "2130706433", "017700000001", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
        "example.com@127.0.0.1", "user:password@localhost", "①②⑦.⓪.⓪.①", "127。0。0。1", "0.0.0.0",
    ],
)  # fmt: skip
async def test_no_way_of_writing_it_reaches_the_loopback_interface(receiver: Stub, host: str) -> None:
    port = receiver.url.rstrip("/").rpartition(":")[2]
    with pytest.raises(FAILURES):
        await call(f"http://{host}:{port}/hook")
    assert receiver.requests == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_an_address_is_refused_before_it_is_connected_to(address: str) -> None:
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    assert "WEBHOOK_ALLOW" in await refused(f"http://{host}:9/")


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_name_that_resolves_to_it_is_refused(address: str) -> None:
    assert "WEBHOOK_ALLOW" in await refused(
        "http://innocent.example:9/", resolver=Book({"innocent.example": [[address]]})
    )


async def test_one_private_address_among_several_refuses_the_name() -> None:
    for addresses in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]):
        assert "allow" in await refused("http://mixed.example:9/", resolver=Book({"mixed.example": [addresses]}))


async def test_a_name_is_resolved_once_and_what_was_checked_is_called(receiver: Stub) -> None:
    """The first answer is allowed, the second is not: what is connected to is the first, and it was asked for once."""
    port = receiver.url.rstrip("/").rpartition(":")[2]
    book = Book({"turning.example": [["127.0.0.1"], ["10.0.0.1"]]})
    assert (await call(f"http://turning.example:{port}/hook", LOOPBACK, book)).ok
    assert book.asked == ["turning.example"]
    assert receiver.requests[0][0].headers["Host"] == f"turning.example:{port}"
    assert "private" in await refused(f"http://turning.example:{port}/hook", LOOPBACK, book)


async def test_a_name_that_turns_inward_between_two_calls_is_refused(receiver: Stub) -> None:
    port = receiver.url.rstrip("/").rpartition(":")[2]
    book = Book({"turning.example": [["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]]})
    receiver.answers = [Says(200, "", {"Connection": "close"}), Says()]
    outbound = Outbound(LOOPBACK, seconds=5, resolver=book)
    url = f"http://turning.example:{port}/hook"
    assert (await outbound.post(url, b"{}", headers={}, secret=None, at=AT)).ok
    with pytest.raises(FAILURES) as caught:
        await outbound.post(url, b"{}", headers={}, secret=None, at=AT)
    assert refusal(caught.value) is not None
    assert (await outbound.post(url, b"{}", headers={}, secret=None, at=AT)).ok
    await outbound.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(receiver: Stub, status: int) -> None:
    receiver.answers = [Says(status, "", {"Location": receiver.url + "elsewhere"})]
    answer = await call(receiver.url + "hook", LOOPBACK)
    assert (answer.status, answer.ok) == (status, False)
    assert [request.path for request, _ in receiver.requests] == ["/hook"]


@pytest.mark.parametrize("to", ["http://10.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://inward.example/"])
async def test_a_library_that_follows_redirects_meets_the_same_checks(receiver: Stub, to: str) -> None:
    receiver.answers = [Says(307, "", {"Location": to})]
    outbound = Outbound(LOOPBACK, seconds=5, resolver=Book({"inward.example": [["192.168.0.1"]]}))
    with pytest.raises(FAILURES) as caught:
        await outbound.session.post(receiver.url, data=b"{}")
    assert refusal(caught.value) is not None
    await outbound.close()


async def test_networks_addresses_and_names_can_be_allowed(receiver: Stub) -> None:
    port = receiver.url.rstrip("/").rpartition(":")[2]
    for entry in ("127.0.0.1", "127.0.0.0/8", "127.0.0.1/8"):
        assert (await call(receiver.url, Allowed.of([entry]))).ok
    by_name = Allowed.of(["Runner.internal"])
    book = Book({"runner.internal": [["127.0.0.1"]], "other.internal": [["127.0.0.1"]]})
    assert (await call(f"http://runner.internal:{port}/", by_name, book)).ok
    assert "loopback" in await refused(f"http://other.internal:{port}/", by_name, book)
    assert "loopback" in await refused(receiver.url, by_name)
    # What is allowed is no wider than it says.
    assert "private" in await refused("http://10.0.0.1:9/", LOOPBACK)
    assert "IPv4 address in IPv6" in await refused("http://[::ffff:127.0.0.1]:9/", LOOPBACK)


async def test_the_body_is_signed_and_the_answer_read_briefly(receiver: Stub) -> None:
    receiver.answers = [Says(500, "x" * 100_000)]
    answer = await call(receiver.url, LOOPBACK)
    assert (answer.status, len(answer.said)) == (500, 2048)
    ((request, body),) = receiver.requests
    assert signed("s" * 32, request.headers["X-Agent-Monitor-Signature"], body)
    assert not signed("t" * 32, request.headers["X-Agent-Monitor-Signature"], body)
