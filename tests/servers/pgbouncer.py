"""PgBouncer for tests: with so few connections that clients share them, or as the end of TLS."""

import asyncio
import contextlib
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from monitor.db import Role
from monitor.embedded import EmbeddedPostgres
from monitor.pgbinaries import let_through, server_account
from tests import parts
from tests.servers.certificates import Identity
from tests.servers.process import Process, free_port

SERVER_CONNECTIONS = 2
"""For each role and database."""
_INI = """\
[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
max_client_conn = 1000
"""
_SHARED = f"""\
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
"""
_TLS = """\
pool_mode = session
default_pool_size = 100
client_tls_sslmode = require
client_tls_cert_file = {tls.certificate}
client_tls_key_file = {tls.key}
"""


class PgBouncer(Process):
    """A pooler before all databases of one server, for its login roles, in transaction mode.

    With `tls` it takes nothing but TLS, and gives each client a connection of its own: the bundled servers are built
    without TLS.
    """

    def __init__(self, folder: Path, server: EmbeddedPostgres, *, tls: Identity | None = None) -> None:
        """Ends the test where there is no program. `server` runs, and stays at its address."""
        folder.mkdir(parents=True, exist_ok=True)
        self._server = server
        self.port = free_port()
        log, users, ini = folder / "pgbouncer.log", folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text("".join(f'"{role}" "{self._password(role)}"\n' for role in Role))
        at = urlsplit(server.tcp_url(Role.APP))
        made = _INI.format(server_port=at.port, port=self.port, users=users)
        ini.write_text(made + (_TLS.format(tls=tls) if tls else _SHARED))
        super().__init__([parts.program("pgbouncer"), str(ini)], log=log)
        # It refuses to run as root, as PostgreSQL does.
        self.account = server_account(folder / "none")
        if self.account is not None:
            let_through(folder, self.account)
            for path in (folder, users, ini, *((tls.certificate, tls.key) if tls else ())):
                os.chown(path, self.account.uid, self.account.gid)

    def _password(self, role: str) -> str:
        return unquote(urlsplit(self._server.tcp_url(role)).password or "")

    def url(self, role: str, database: str) -> str:
        """The address of a database through the pooler."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{self.port}/{database}"

    async def answers(self) -> bool:
        """Whether it listens."""
        with contextlib.suppress(ConnectionError):
            _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            await writer.wait_closed()
            return True
        return False
