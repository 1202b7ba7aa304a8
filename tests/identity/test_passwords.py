"""Hashes of passwords: those of argon2 and bcrypt, those that are none, and nobody's."""

import time

import bcrypt
import httpx
import pytest

from monitor.db import Database
from monitor.identity.passwords import Passwords
from tests.factories import TenantMade
from tests.identity.conftest import PASSWORD, make_person, sign_in, user_row


async def test_a_hash_of_bcrypt_is_taken_and_replaced(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    long = "ä" * 50  # of its 100 bytes, bcrypt reads 72
    stored = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    imported = await make_person(db, tenant.id, "old@example.com", password_hash=stored)
    assert (await sign_in(client, "old@example.com", "not this password")).status_code == 401
    assert (await user_row(db, imported)).password_hash == stored
    assert (await sign_in(client, "old@example.com", long)).status_code == 200
    renewed = (await user_row(db, imported)).password_hash
    assert renewed is not None
    assert renewed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (await sign_in(client, "old@example.com", long)).status_code == 200
    assert (await sign_in(client, "old@example.com", "ä" * 49)).status_code == 401


@pytest.mark.parametrize("stored", ["", "plain", "$2b$broken", "$argon2id$v=19$m=8,t=1,p=1$broken", "{SHA}x"])
async def test_what_is_no_hash_lets_nobody_in(stored: str) -> None:
    for password in ("", "plain", stored, PASSWORD):
        assert not (await Passwords().check(stored, password)).right


async def test_nobodys_hash_is_checked_in_full_and_never_right() -> None:
    passwords = Passwords()
    assert passwords._nobodys.count("$") == 5
    # It can be read, so that the whole work is done: a hash that cannot is refused at once.
    begun = time.perf_counter()
    assert not (await passwords.check(None, PASSWORD)).right
    nobodys = time.perf_counter() - begun
    begun = time.perf_counter()
    assert not (await passwords.check("no hash", PASSWORD)).right
    assert nobodys > 10 * (time.perf_counter() - begun)
