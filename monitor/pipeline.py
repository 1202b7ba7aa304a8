"""Many statements, one way to the server and back: how the hot path writes.

A cursor costs about a tenth of a millisecond a statement, and waits for the event loop behind other requests' work.
Here the statements of a transaction are sent together in libpq's pipeline mode, and their results are read together:
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import re
import secrets
from collections.abc import Callable, Generator
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import READY_R, WAIT_R, WAIT_RW, Ready, Wait

from monitor.arrays import Array

Value = Array | UUID | str | None
Exchange = Generator[Wait, Ready | int, list[PGresult]]
Send = Callable[[], None]

# Not the second colon of a cast.
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Statement:
    """SQL with named parameters, `:agents`; with a cast where PostgreSQL cannot tell the type, `:agents::uuid[]`.

    Made once, sent by any Pipeline.
    """

    __slots__ = ("names", "sql")

    def __init__(self, text: str) -> None:
        """`text` as PostgreSQL reads it, but for the parameters."""
        names = list(dict.fromkeys(_PARAMETER.findall(text)))
        self.sql = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text).encode()
        self.names = tuple(names)


# Generic plans: planning the statement that stores logs for its values, partition by partition, costs as much as
# running it, and the plans do not differ.
SET_TENANT = Statement(
    "SELECT set_config('app.current_tenant_id', :tenant, true), "
    "set_config('plan_cache_mode', 'force_generic_plan', true)"
)
"""A pipeline's first statement for each tenant; `tenant` as text."""
_BEGIN, _COMMIT, _ROLLBACK = Statement("BEGIN"), Statement("COMMIT"), Statement("ROLLBACK")


class Pipeline:
    """One connection's way of sending. Between `async with pipeline:` stands one transaction.

    Statements that are added go when `fetch` asks for a result, and with the commit; an error of any of them is raised
    there, as psycopg raises it, and nothing of the transaction is kept.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """`connection` is the caller's alone, and idle."""
        self._connection = connection
        self._pgconn = connection.pgconn
        # Other pipelines may have left statements of theirs on the connection.
        self._prefix = secrets.token_hex(4)
        self._prepared: dict[Statement, bytes] = {}
        self._waiting: list[tuple[Statement | None, Send]] = []

    def add(self, statement: Statement, **values: Value) -> None:
        """Send this with the next ones."""
        pgconn, sql = self._pgconn, statement.sql
        sent = [_binary(values[key]) for key in statement.names]
        formats = [Format.BINARY] * len(sent)
        if self._connection.prepare_threshold is None:  # as the connection's own statements: never prepared
            self._waiting.append((None, lambda: pgconn.send_query_params(sql, sent, None, formats, Format.BINARY)))
            return
        name = self._prepared.get(statement)
        if name is None:
            name = self._prepared[statement] = f"{self._prefix}{len(self._prepared)}".encode()
            made = name
            self._waiting.append((statement, lambda: pgconn.send_prepare(made, sql)))
        ready = name
        self._waiting.append((None, lambda: pgconn.send_query_prepared(ready, sent, formats, Format.BINARY)))

    async def fetch(self) -> list[bytes | None]:
        """Send what was added, and return the first column of the last one's rows, in PostgreSQL's binary format.
        The transaction goes on."""
        result = (await self._exchange())[-1]
        return [result.get_value(row, 0) for row in range(result.ntuples)]

    async def __aenter__(self) -> "Pipeline":
        self._waiting.clear()
        self.add(_BEGIN)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        if kind is None:
            self.add(_COMMIT)
            try:
                await self._exchange()
            except psycopg.Error:
                await self._roll_back()
                raise
        elif isinstance(fault, Exception):
            await self._roll_back()

    async def _roll_back(self) -> None:
        """End a transaction that failed. Without a connection there is none any more."""
        self._waiting.clear()
        if self._pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self.add(_ROLLBACK)
            await self._exchange()

    async def _exchange(self) -> list[PGresult]:
        """Send what waits and read as many results. Raises the first error among them."""
        waiting, self._waiting = self._waiting, []
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        for _prepares, send in waiting:
            send()
        pgconn.pipeline_sync()
        results = await self._connection.wait(_read(pgconn, len(waiting) + 1))
        pgconn.exit_pipeline_mode()
        fault: psycopg.Error | None = None
        for (prepares, _send), result in zip(waiting, results, strict=False):
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                if prepares is not None:
                    del self._prepared[prepares]
                if fault is None and result.status in _FAILED:
                    fault = errors.error_from_result(result)
        if fault is not None:
            raise fault
        return results[:-1]


def _binary(value: Value) -> bytes | None:
    if isinstance(value, Array):
        return value.data
    if isinstance(value, UUID):
        return value.bytes
    return None if value is None else value.encode()


def _read(pgconn: PGconn, count: int) -> Exchange:
    """Write what libpq holds and read `count` results; for `AsyncConnection.wait`."""
    # Reading meanwhile, so that the server never waits for us while we wait for it.
    while pgconn.flush():
        ready = yield WAIT_RW
        if ready & READY_R:
            pgconn.consume_input()
    results: list[PGresult] = []
    while len(results) < count:
        while pgconn.is_busy():
            yield WAIT_R
            pgconn.consume_input()
        # A null stands after the results of each statement.
        result = pgconn.get_result()
        if result is not None:
            results.append(result)
    return results
