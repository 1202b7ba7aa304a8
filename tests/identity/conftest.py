"""The application over a fresh database, a person with a password in it, and the mails that it sends."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from monitor.app import create_app
from monitor.db import Database
from monitor.http.deps import SESSION_COOKIE, Deps
from monitor.identity.passwords import Passwords
from monitor.identity.signing import Signing
from monitor.identity.store import insert_member
from monitor.identity.tables import User
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.collector import make_deps

PASSWORD = "correct horse battery staple"
LOGIN = "ann@example.com"


@dataclass(frozen=True, slots=True)
class Mail:
    """One that was sent."""

    to: str
    subject: str
    text: str

    @property
    def path(self) -> str:
        """Of the link in it."""
        found = re.search(r"https?://[^/\s]+(/\S+)", self.text)
        assert found is not None
        return found[1]


class Letterbox:
    """What was mailed, kept."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def __call__(self, to: str, subject: str, text: str) -> None:
        """Keep it."""
        self.mails.append(Mail(to, subject, text))


@pytest.fixture
def letterbox() -> Letterbox:
    return Letterbox()


@pytest.fixture
def settings() -> Settings:
    return Settings(secret_keys=("a key for tests only",), public_url="http://console")


@pytest.fixture
async def deps(db: Database, clock: SettableClock, settings: Settings, letterbox: Letterbox) -> AsyncIterator[Deps]:
    made = replace(make_deps(db, clock, settings), letters=letterbox)
    yield made
    await made.live.close()


@pytest.fixture
async def app(deps: Deps) -> AsyncIterator[FastAPI]:
    made = create_app(deps, Ingest(deps))
    made.state.signing = Signing(deps, floor=0.2)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as made:
        yield made


def browser(app: FastAPI, address: str = "203.0.113.7") -> httpx.AsyncClient:
    """A browser without its eyes, at this address: keeps cookies, follows no redirects."""
    transport = httpx.ASGITransport(app, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://console")


@pytest.fixture(scope="session")
def hashed() -> str:
    """PASSWORD as it is stored."""
    return Passwords()._hasher.hash(PASSWORD)


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def ann(db: Database, tenant: TenantMade, hashed: str) -> UUID:
    """A member who has a password."""
    return await make_person(db, tenant.id, LOGIN, password_hash=hashed)


async def make_person(
    db: Database, tenant_id: UUID, email: str, *, role: str = "member", password_hash: str | None = None
) -> UUID:
    """A member; nobody's name is known yet."""
    now = datetime.now(UTC)
    async with db.owner() as owner:
        user_id = await insert_member(owner, tenant_id, email=email, role=role, now=now)
        await owner.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
    return user_id


async def user_row(db: Database, user_id: UUID) -> User:
    """All that is stored of somebody."""
    async with db.owner() as owner:
        row: User = (await owner.execute(select(User.__table__).where(User.id == user_id))).one()  # type: ignore[assignment]
    return row


async def sign_in(
    client: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD, **more: str
) -> httpx.Response:
    """By the API."""
    return await client.post("/api/v1/sign-in", json={"login": login, "password": password, **more})


def session_of(client: httpx.AsyncClient) -> str | None:
    """The session cookie that a browser has."""
    return client.cookies.get(SESSION_COOKIE)


async def form_of(client: httpx.AsyncClient, address: str) -> dict[str, str]:
    """The hidden fields of the page at this address."""
    page = await client.get(address)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
