"""Of a conversation with others, what they said stays; and names are found whole, not as a part of another's."""

from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.subjects import erasing
from monitor.subjects.person import Person, replaced
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.application import serving

HER = "ada@people.example"


async def test_of_a_conversation_with_others_only_what_she_said_goes(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    async with serving(db, clock) as api:
        api.headers.update(tenant.headers)
        assert (await api.post("/api/v1/members", json={"email": HER, "role": "viewer"})).status_code == 201
        for user, words in ((HER, "my secret"), ("bob", f"thank you, {HER}"), (HER, "again")):
            said = {"conversation": "team", "role": "user", "user": user, "content": words}
            assert (await api.post("/api/v1/messages", json=said)).status_code == 201
        answer = await api.post("/api/v1/data-requests", json={"kind": "erasure", "user": HER})
        assert answer.status_code == 201, answer.text
        assert await erasing.run_once(db, clock) == 1
        items = (await api.get("/api/v1/conversations/team/messages")).json()["items"]
    word = f"erased-{UUID(answer.json()['id']).hex[-12:]}"
    assert [(one["sequence_number"], one["user"], one["content"]) for one in items] == [
        (1, word, ""), (2, "bob", f"thank you, {word}@erased.invalid"), (3, word, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("to ada@people.example.", "to W."),
        ("to ADA@people.example", "to W"),
        ("to ada@people.example.org", None),
        ("to anna-ada@people.example", None),
        ('{"a": "ada@people.example"}', '{"a": "W"}'),
        ("Ada Byron's", "N's"),
        ("Canada Byronic", None),
    ],
)
async def test_a_name_is_no_part_of_another(db: Database, said: str, left: str | None) -> None:
    person = Person(UUID(int=1), HER, (), (str(UUID(int=1)), HER, "Ada Byron"))
    stands = replaced(person, UUID(int=2))
    async with db.owner() as owner:
        query = text("SELECT erased(:said, :patterns, :words)")
        given = {"said": said, "patterns": list(stands.patterns), "words": ["I", "W", "N"]}
        assert (await owner.execute(query, given)).scalar_one() == (said if left is None else left)
