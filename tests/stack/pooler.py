"""PgBouncer as `sql/pgbouncer.ini` has it, on this machine: only addresses and paths are others."""

import asyncio
import contextlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from monitor.pgbinaries import let_through, server_account
from tests import parts
from tests.servers.process import Process, free_port
from tests.stage import ROOT

INI = ROOT / "sql" / "pgbouncer.ini"


class StackPooler(Process):
    """The pooler of the stack before a server at `host:port`."""

    def __init__(self, folder: Path, server_url: str, users: str, **changed: str) -> None:
        """`users`: the text of the file of users. `changed`: settings that a test wants to be others."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        users_file, ini = folder / "pgbouncer_users", folder / "pgbouncer.ini"
        users_file.write_text(users)
        at = urlsplit(server_url)
        text = INI.read_text().replace("host=postgres port=5432", f"host={at.hostname} port={at.port}")
        for name, value in {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "auth_file": str(users_file),
            **changed,
        }.items():
            text, times = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert times == 1, name
        ini.write_text(text)
        super().__init__([parts.program("pgbouncer"), str(ini)], log=folder / "pgbouncer.log")
        # It refuses to run as root, as PostgreSQL does.
        self.account = server_account(folder / "none")
        if self.account is not None:
            let_through(folder, self.account)
            for path in (folder, users_file, ini):
                os.chown(path, self.account.uid, self.account.gid)

    async def answers(self) -> bool:
        """Whether it listens."""
        return await listens(self.port)


async def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of the loopback interface."""
    with contextlib.suppress(ConnectionError):
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
        return True
    return False
