"""What Grafana does to a query before it sends it: variables in the browser, macros in the server.

Sources, in Grafana's documentation and its own source tree:

* `${name:format}`: "Variable syntax", advanced variable format options; `public/app/features/templating`. `regex`
  puts a backslash before `\\ ^ $ * + ? . ( ) | [ ] { } /` and joins several as `(a|b)`; `sqlstring` doubles single
  quotes and joins with commas; `doublequote` escapes double quotes; `raw` changes nothing. A custom value of All is
  put in as it is, whatever the format.
* SQL: `pkg/tsdb/grafana-postgresql-datasource/macros.go`. A macro is `$name(arguments)`, arguments without
  parentheses inside, split at commas; a name that is not known is an error. `$__interval` and `$__interval_ms` are
  replaced before.
* Flux: `pkg/tsdb/influxdb/flux/macros.go`. `v.timeRangeStart` and `v.timeRangeStop` become RFC 3339 times,
  `v.windowPeriod` a duration.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

ALL = ".*"
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


@dataclass(frozen=True)
class View:
    """What a person has chosen on the dashboard. A list of several values is a multi-value variable's."""

    start: datetime
    end: datetime
    step: timedelta
    chosen: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def sql(self, query: str) -> str:
        """As the PostgreSQL data source sends it."""
        milliseconds = self.step // timedelta(milliseconds=1)
        text = self._variables(query).replace("$__interval_ms", str(milliseconds))
        text = text.replace("$__interval", f"{milliseconds}ms")
        return _MACRO.sub(self._macro, text)

    def flux(self, query: str) -> str:
        """As the InfluxDB data source sends it."""
        text = self._variables(query).replace("v.timeRangeStart", _time(self.start))
        text = text.replace("v.timeRangeStop", _time(self.end))
        return text.replace("v.windowPeriod", f"{self.step // timedelta(seconds=1)}s")

    def _variables(self, query: str) -> str:
        return VARIABLE.sub(lambda found: self._value(found[1], found[2]), query)

    def _value(self, name: str, how: str) -> str:
        value = self.chosen[name]
        if value == ALL:
            return ALL
        several = [value] if isinstance(value, str) else list(value)
        if how == "sqlstring":
            return ",".join("'" + one.replace("'", "''") + "'" for one in several)
        if how == "doublequote":
            return ",".join('"' + one.replace('"', '\\"') + '"' for one in several)
        if how == "regex":
            escaped = [_SPECIAL.sub(r"\\\g<0>", one) for one in several]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        assert how == "raw", f"unknown format {how}"
        return ",".join(several)

    def _macro(self, found: re.Match[str]) -> str:
        name, words = found[1], [word.strip() for word in found[2].split(",")]
        if name == "__timeFrom":
            return f"'{_time(self.start)}'"
        if name == "__timeTo":
            return f"'{_time(self.end)}'"
        if name == "__timeFilter":
            return f"{words[0]} BETWEEN '{_time(self.start)}' AND '{_time(self.end)}'"
        assert name == "__timeGroupAlias", f"unknown macro {name}"
        step = int(words[1].removesuffix("ms")) / 1000
        return f'floor(extract(epoch from {words[0]})/{step:g})*{step:g} AS "time"'


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
