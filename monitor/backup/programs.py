"""PostgreSQL's programs for backups, and how they are run."""

import asyncio
import contextlib
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from monitor.errors import ConfigError
from monitor.pgbinaries import Account, Binaries, environment, last_lines, on_path, shipped

_PLACES = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin", "/opt/homebrew/opt/postgresql@{major}/bin")
"""Where distributions put the programs of one major version."""
_TLS = frozenset({"require", "verify-ca", "verify-full"})
"""What `sslmode` says where a URL insists on TLS."""


POLL = 0.02


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs that fit one server are."""

    major: int
    folders: tuple[Path, ...]

    def find(self, name: str) -> str:
        """The path of a program. Raises ConfigError that says what is missing, and where it was looked for."""
        for folder in self.folders:
            path = Binaries(str(self.major), folder).program(name)
            if Path(path).is_file():
                return path
        looked = ", ".join(map(str, self.folders)) or "nowhere: none of that version is bundled or on PATH"
        raise ConfigError(
            f"the program {name} of PostgreSQL {self.major} is missing (looked in {looked}):"
            f" install the client of PostgreSQL {self.major}"
        )


def programs_for(major: int, url: str = "") -> Programs:
    """The programs of exactly this major version: the bundled ones, those on PATH, or the distribution's.

    The bundled ones are built without TLS: they are none for a server whose `url` insists on it.
    """
    by_tls = parse_qs(urlsplit(url).query).get("sslmode", [""])[-1] in _TLS
    bundled = [shipped()[major].folder] if major in shipped() and not by_tls else []
    path = [on_path()[major].folder] if major in on_path() else []
    places = [Path(place.format(major=major)) for place in _PLACES]
    return Programs(major, tuple(dict.fromkeys([*bundled, *path, *(place for place in places if place.is_dir())])))


def without_password(url: str) -> tuple[str, str]:
    """A URL as a program's word, which everybody on the machine can read, and the password that it had."""
    parts = urlsplit(url)
    user, _, where = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=f"{name}@{where}")), unquote(password)


class Running:
    """A program that runs, with what it says. Not asyncio's own: under uvloop that knows of no other account."""

    def __init__(self, words: list[str], *, cwd: Path, password: str = "", account: Account | None = None) -> None:
        """Start it."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has ended
        self._process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment(PGPASSWORD=password),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we end what we started
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has, by itself or not."""
        return self._process.poll() is not None

    @property
    def failed(self) -> bool:
        """Whether it ended with a fault."""
        return self._process.poll() not in (None, 0)

    def said(self) -> str:
        """All that it said, once it has ended."""
        if self._said.closed:
            return ""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    async def wait(self) -> None:
        """Until it ends."""
        while not self.ended:  # noqa: ASYNC110 - every loop can, and there is nothing that would set an event
            await asyncio.sleep(POLL)

    async def ask(self) -> None:
        """Ask it to end, and wait until it has."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self.wait()

    async def end(self) -> None:
        """See that it ends: asked, and by force after half a minute."""
        if not self.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ask(), 30)
        self.kill()
        self._said.close()

    def kill(self) -> None:
        """End it at once."""
        if not self.ended:
            self._process.kill()
            self._process.wait()


async def run(words: list[str], *, cwd: Path, password: str = "", account: Account | None = None) -> str:
    """Run a program to its end, and return what it said. Raises ConfigError with its last lines.

    When we are cancelled the program is ended.
    """
    program = Running(words, cwd=cwd, password=password, account=account)
    try:
        await program.wait()
        said = program.said()
    finally:
        program.kill()
        await program.end()
    if program.failed:
        raise ConfigError(f"{Path(words[0]).name} failed: {last_lines(said)}")
    return said
