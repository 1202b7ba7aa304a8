"""A tenant with the application over it, and short words for what knowledge is asked."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving


class Librarian:
    """Speaks for one tenant."""

    def __init__(self, client: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
        self.client = client
        self.db = db
        self.tenant = tenant

    async def ask(self, method: str, path: str, *, expect: int | None = None, **given: Any) -> Any:
        """One request; the body of its answer. Without `expect` it must succeed."""
        answer = await self.client.request(method, f"/api/v1{path}", headers=self.tenant.headers, **given)
        assert answer.is_success if expect is None else answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def collection(self, slug: str = "books", **more: Any) -> dict[str, Any]:
        """A collection made."""
        body = {"slug": slug, "name": slug, "embedding_model": "small", **more}
        made: dict[str, Any] = await self.ask("POST", "/collections", json=body)
        return made

    async def document(self, collection: dict[str, Any], title: str = "one", **more: Any) -> dict[str, Any]:
        """A document made in it."""
        body = {"collection_id": collection["id"], "title": title, **more}
        made: dict[str, Any] = await self.ask("POST", "/documents", json=body)
        return made

    async def chunks(self, document: dict[str, Any], vectors: Sequence[Sequence[float]], **more: Any) -> Any:
        """All chunks of a document."""
        said = [
            {"index": index, "content": f"piece {index}", "embedding": list(one), "metadata": {"place": index}, **more}
            for index, one in enumerate(vectors)
        ]
        return await self.ask("PUT", f"/documents/{document['id']}/chunks", json={"chunks": said})

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        """What a query finds in the tenant."""
        async with self.db.tenant(self.tenant.id) as connection:
            return list(await connection.execute(text(sql), values))


@pytest.fixture
async def client(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The application."""
    async with serving(db, clock) as made:
        yield made


@pytest.fixture
async def librarian(client: httpx.AsyncClient, db: Database) -> Librarian:
    """A tenant's."""
    return Librarian(client, db, await make_tenant(db))
