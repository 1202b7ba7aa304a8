"""What was deleted goes for good after thirty days, with what belongs to it."""

from datetime import timedelta

from monitor.retention import sweep
from monitor.retention.kinds import defaults
from monitor.retention.limits import Limits
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.knowledge.conftest import Librarian

DAY = timedelta(days=1).total_seconds()
LIMITS = Limits(defaults(Settings()), ())


async def test_deleted_collections_and_documents_go_with_their_chunks(
    librarian: Librarian, clock: SettableClock
) -> None:
    gone, kept = await librarian.collection("gone"), await librarian.collection("kept")
    documents = [await librarian.document(home, title) for home in (gone, kept) for title in ("one", "two")]
    for one in documents:
        await librarian.chunks(one, [[1, 0], [0, 1]])
    await librarian.ask("DELETE", f"/documents/{documents[-1]['id']}")
    await librarian.ask("DELETE", "/collections/gone")
    clock.advance(29 * DAY)
    assert (await sweep.run_once(librarian.db, clock(), LIMITS))["chunks"] == 0
    clock.advance(2 * DAY)
    seen = await sweep.preview(librarian.db, clock(), LIMITS)
    done = await sweep.run_once(librarian.db, clock(), LIMITS)
    tables = ("collections", "documents", "chunks")
    assert [done[table] for table in tables] == [1, 3, 6] == [seen[table] for table in tables]
    (left,) = await librarian.rows("SELECT slug, document_count, chunk_count FROM collections")
    assert tuple(left) == ("kept", 1, 2)
    await librarian.ask("POST", "/collections/gone/restore", expect=404)
