"""What happened to an agent since the last tick: the bits of `touched.kinds`, spoken by ingest and alerter."""

from enum import IntFlag

FAREWELLS = frozenset({"stopped", "shutdown", "offline"})
"""Statuses of a heartbeat that say goodbye, in lower case: nobody waits for the next one."""


class Touch(IntFlag):
    """Kinds of news. A rule reads some of them; the tick looks only at rules whose kinds were touched."""

    EXECUTION = 1
    LINE = 2
    METRIC = 4
    HEARTBEAT = 8
    AGENT = 16
    RUN = 32
    SPENDING = 64
    ERROR = 128
    SERIES = 256
