"""Mailed links: they act when their form is sent, once, for as long as they are good; asking for one tells nothing."""

import asyncio
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text, update

from monitor.db import Database
from monitor.identity import accounts, people
from monitor.identity.links import LASTS, Links, Purpose
from monitor.identity.tables import Membership, User
from tests.conftest import SettableClock
from tests.factories import TenantMade
from tests.identity.conftest import (
    LOGIN,
    PASSWORD,
    Letterbox,
    form_of,
    make_person,
    session_of,
    sign_in,
    user_row,
)

NEW = "a brand new password"


async def ask_for_reset(client: httpx.AsyncClient, letterbox: Letterbox, login: str = LOGIN) -> str:
    """The path of the link that is mailed."""
    answer = await client.post("/api/v1/password-reset", json={"login": login})
    assert answer.status_code == 202
    return letterbox.mails[-1].path


async def test_a_reset_acts_when_its_form_is_sent_and_once(
    client: httpx.AsyncClient, letterbox: Letterbox, db: Database, ann: UUID, clock: SettableClock
) -> None:
    await sign_in(client)
    clock.advance(5)
    first = await ask_for_reset(client, letterbox)
    second = await ask_for_reset(client, letterbox)
    assert letterbox.mails[-1].to == LOGIN
    stored = (await user_row(db, ann)).password_hash
    # What programs do that read mail.
    for _ in range(2):
        assert (await client.get(second)).status_code == 200
        assert (await client.post(second)).status_code == 403
        assert (await client.post(second, data={"password": NEW})).status_code == 403
    assert (await user_row(db, ann)).password_hash == stored
    form = await form_of(client, second)
    weak = await client.post(second, data=form | {"password": "short"})
    assert (weak.status_code, "12 to 1000 characters" in weak.text) == (422, True)
    done = await client.post(second, data=form | {"password": NEW})
    assert (done.status_code, "The password is set" in done.text) == (200, True)
    # Sessions end; every link that was good before is used up.
    assert (await client.get("/api/v1/me")).status_code == 401
    for used in (first, second):
        assert (await client.post(used, data=form | {"password": "yet another password"})).status_code == 410
    assert (await sign_in(client)).status_code == 401
    assert (await sign_in(client, password=NEW)).status_code == 200
    assert (await user_row(db, ann)).email_verified_at == clock()


async def test_of_two_uses_at_one_time_one_acts(client: httpx.AsyncClient, letterbox: Letterbox, ann: UUID) -> None:
    token = (await ask_for_reset(client, letterbox)).rpartition("/")[2]
    answers = await asyncio.gather(
        *(client.post(f"/api/v1/password-reset/{token}", json={"password": f"{NEW} {n}"}) for n in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [204, 410, 410, 410]


@pytest.mark.parametrize("login", ["nobody@example.com", "suspended@example.com", "nobody"])
async def test_asking_tells_nobody_whether_there_is_such_an_account(
    client: httpx.AsyncClient, letterbox: Letterbox, db: Database, tenant: TenantMade, ann: UUID, login: str
) -> None:
    suspended = await make_person(db, tenant.id, "suspended@example.com")
    async with db.owner() as owner:
        await owner.execute(update(Membership).where(Membership.user_id == suspended).values(status="suspended"))
    known = await client.post("/api/v1/password-reset", json={"login": LOGIN})
    unknown = await client.post("/api/v1/password-reset", json={"login": login})
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    form = await form_of(client, "/password-reset")
    pages = [await client.post("/password-reset", data=form | {"login": one}) for one in (LOGIN, login)]
    assert pages[0].text == pages[1].text
    assert {mail.to for mail in letterbox.mails} == {LOGIN}


async def test_asking_is_limited_alike_for_all(client: httpx.AsyncClient, ann: UUID) -> None:
    for login in (LOGIN, "nobody@example.com"):
        answers = [(await client.post("/api/v1/password-reset", json={"login": login})).status_code for _ in range(11)]
        assert answers == [202] * 10 + [429]


async def test_the_mail_is_looked_up_and_sent_after_the_answer(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail server that is slow says nothing of who there is."""
    order: list[str] = []
    real: Any = people.find_by_login

    async def look_up(*given: Any) -> Any:
        order.append("looked up")
        return await real(*given)

    monkeypatch.setattr(people, "find_by_login", look_up)

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            order.append(message["type"])
            await send(message)

        await app(scope, receive, sent)

    transport = httpx.ASGITransport(watched)
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as made:
        await made.post("/api/v1/password-reset", json={"login": LOGIN})
    assert order.index("looked up") > order.index("http.response.body")


@pytest.mark.parametrize("purpose", [Purpose.VERIFY, Purpose.INVITATION, Purpose.SIGN_IN])
async def test_a_link_of_another_kind_is_none(
    client: httpx.AsyncClient, tenant: TenantMade, ann: UUID, db: Database, purpose: Purpose
) -> None:
    async with db.doorman() as doorman:
        person = await people.find_by_id(doorman, ann)
    assert person is not None
    token = Links(("a key for tests only",)).make(purpose, tenant.id, ann, accounts.password_state(person))
    answer = await client.post(f"/api/v1/password-reset/{token}", json={"password": NEW})
    assert answer.status_code == 404
    forged = Links(("another key altogether",)).make(Purpose.RESET, tenant.id, ann, accounts.password_state(person))
    assert (await client.post(f"/api/v1/password-reset/{forged}", json={"password": NEW})).status_code == 404
    assert (await sign_in(client, password=PASSWORD)).status_code == 200


def test_how_long_each_is_good() -> None:
    hours = {purpose.value: seconds / 3600 for purpose, seconds in LASTS.items()}
    assert hours == {"sign-in": 1, "password-reset": 1, "verify": 24, "invitation": 168}


async def test_a_link_that_is_too_old_is_gone(
    client: httpx.AsyncClient, letterbox: Letterbox, ann: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await ask_for_reset(client, letterbox)).rpartition("/")[2]
    monkeypatch.setitem(LASTS, Purpose.RESET, -1)
    answer = await client.post(f"/api/v1/password-reset/{token}", json={"password": NEW})
    assert (answer.status_code, "too old" in answer.text) == (410, True)


async def test_an_address_is_verified_by_the_button_and_once(
    client: httpx.AsyncClient, letterbox: Letterbox, db: Database, ann: UUID, clock: SettableClock
) -> None:
    await sign_in(client)
    assert (await client.post("/api/v1/me/verify")).status_code == 202
    path = letterbox.mails[-1].path
    assert (await client.get(path)).status_code == 200
    assert (await user_row(db, ann)).email_verified_at is None
    form = await form_of(client, path)
    assert (await client.post(path, data=form)).status_code == 200
    assert (await user_row(db, ann)).email_verified_at == clock()
    assert (await client.post(path, data=form)).status_code == 410
    sent = len(letterbox.mails)
    assert (await client.post("/api/v1/me/verify")).json() == {"detail": "this address is verified"}
    assert len(letterbox.mails) == sent


async def test_a_link_for_an_address_verifies_no_other(
    client: httpx.AsyncClient, letterbox: Letterbox, db: Database, ann: UUID
) -> None:
    await sign_in(client)
    await client.post("/api/v1/me/verify")
    token = letterbox.mails[-1].path.rpartition("/")[2]
    async with db.owner() as owner:
        await owner.execute(update(User).where(User.id == ann).values(email="ann@elsewhere.example"))
    assert (await client.post(f"/api/v1/verify/{token}")).status_code == 410
    assert (await user_row(db, ann)).email_verified_at is None


async def test_a_sign_in_link_is_for_members_and_goes_nowhere_else(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID
) -> None:
    token = Links(("a key for tests only",)).make(Purpose.SIGN_IN, tenant.id, ann)
    link = f"/sign-in?token={token}"
    form = await form_of(client, link)
    assert session_of(client) is None
    answer = await client.post(f"{link}&next=//evil.example", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert session_of(client) is not None
    async with db.owner() as owner:
        await owner.execute(text("DELETE FROM memberships WHERE user_id = :id"), {"id": ann})
    answer = await client.get("/sign-in", params={"token": token})
    assert (answer.status_code, "no member of this tenant any more" in answer.text) == (401, True)
    assert re.search('name="form" value="[0-9a-f]{64}"', answer.text)
