"""A backup of our database alone by `pg_dump` in its custom format, and its way back by `pg_restore`."""

import tempfile
from pathlib import Path

import psycopg

from monitor.backup import cipher
from monitor.backup.programs import Programs, programs_for, run, without_password
from monitor.db import translated
from monitor.errors import ConfigError

DUMP = "database.dump"


async def server_programs(url: str) -> Programs:
    """The programs that fit the server behind a URL. Raises DatabaseDown."""
    with translated():
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            return programs_for(connection.info.server_version // 10_000, url)


async def dump(url: str, folder: Path, *, snapshot: str, secret: str | None) -> None:
    """Everything as one exported snapshot has it. `url` is the owner's, whom the policies let see all rows."""
    folder.mkdir()
    programs, (plain, password) = await server_programs(url), without_password(url)
    words = [programs.find("pg_dump"), "--format=custom", "--compress=1", "--enable-row-security"]
    words += [f"--snapshot={snapshot}", f"--file={folder / DUMP}", "--no-password", f"--dbname={plain}"]
    await run(words, cwd=folder, password=password)
    if secret:
        cipher.put(folder / DUMP, folder / DUMP, secret=secret)


async def load(url: str, folder: Path, *, secret: str | None) -> None:
    """Bring a dump into an empty database, as its owner. Raises ConfigError where it is not empty."""
    await refuse_unless_empty(url)
    programs, (plain, password) = await server_programs(url), without_password(url)
    sealed = next(folder.glob(f"{DUMP}*"))
    with tempfile.TemporaryDirectory(prefix="agent-monitor-restore-") as made:
        work = Path(made)
        with cipher.read(sealed, secret=secret) as reading, (work / DUMP).open("wb") as writing:
            while block := reading.read(1 << 20):
                writing.write(block)
        program = programs.find("pg_restore")
        listed = await run([program, "--list", str(work / DUMP)], cwd=work)
        # The extension, the schema and the database stand ready, and are not the owner's.
        kept = [line for line in listed.splitlines() if not any(word in line for word in _READY)]
        (work / "list").write_text("\n".join(kept))
        words = [program, "--no-password", "--single-transaction", "--exit-on-error", "--no-owner"]
        words += [f"--use-list={work / 'list'}", f"--dbname={plain}", str(work / DUMP)]
        await run(words, cwd=work, password=password)


_READY = (" EXTENSION - ", " COMMENT - EXTENSION ", " SCHEMA - public ", " COMMENT - SCHEMA ", " ACL - SCHEMA public ")


async def refuse_unless_empty(url: str) -> None:
    """Raise ConfigError where the database has tables of its own."""
    with translated():
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            found = await connection.execute("""
                SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
                AND c.relkind IN ('r', 'p') AND NOT EXISTS (
                    SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LIMIT 1
            """)
            row = await found.fetchone()
    if row is not None:
        raise ConfigError(f"the database is not empty (it has the table {row[0]}): restore into an empty one")
