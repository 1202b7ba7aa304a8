"""Every error that crosses a module boundary.

::

    MonitorError(code, status)
      InvalidInput 422        some value is wrong; `path` names it
        SeriesRefused         the history store will never take some points
      Unreadable 400          the body or the request cannot be read at all
      Unauthenticated 401     no key, or not a valid one
      Forbidden 403           a valid key that may not do this
      NotFound 404
      Conflict 409
      Gone 410                it was there, and has expired or was used
      PreconditionFailed 412  somebody changed it since the caller read it
      TooLarge 413
      UnsupportedMedia 415
      Misdirected 421         another place takes it, and `endpoint` is where that is
      RateLimited 429         with Retry-After
        QuotaExceeded         what the tenant may use in a day or a month is used up
      Unavailable 503         with Retry-After: try again, nothing was kept
        DatabaseDown
        SeriesDown
        Full                  queue, memory or disk
      ConfigError             at start only; names the variable
        InUse                 another process holds the directory
      TenantMissing           a programming error: SQL ran without a tenant
    ChannelError(permanent, retry_after)   a message could not be sent

Driver errors are translated in `db.py`, `series/*` and `live.py`, nowhere else.
"""

from collections.abc import Mapping
from datetime import datetime


class MonitorError(Exception):
    """Base of all. `code` is the machine-readable word in an answer, `status` its HTTP status."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`message` is shown to the caller: name the fault, no secrets. `retry_after` is in seconds."""
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class InvalidInput(MonitorError):
    """A value is wrong. `path` says where, as in `conditions.window`; where several are, `faults` names each."""

    code = "invalid_input"
    status = 422

    def __init__(self, message: str, *, path: str | None = None, faults: tuple[Mapping[str, str], ...] = ()) -> None:
        """`path` is the dotted way to the fault in the request's body, if there is one; `faults`: path and error."""
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.faults = faults


class SeriesRefused(InvalidInput):
    """The history store will never take points of these series. `refused`: why, by the series' id."""

    def __init__(self, refused: Mapping[int, str]) -> None:
        """`refused` is not empty."""
        super().__init__(next(iter(refused.values())))
        self.refused = refused


class Unreadable(MonitorError):
    """The request cannot be read at all: malformed JSON, a broken gzip stream, a bad parameter."""

    code = "unreadable"
    status = 400


class Unauthenticated(MonitorError):
    """There is no key, or it is unknown, revoked or expired."""

    code = "unauthenticated"
    status = 401


class Forbidden(MonitorError):
    """The key is valid and may not do this."""

    code = "forbidden"
    status = 403


class NotFound(MonitorError):
    """There is no such thing in this tenant."""

    code = "not_found"
    status = 404


class Conflict(MonitorError):
    """It exists already, or an Idempotency-Key came back with another body."""

    code = "conflict"
    status = 409


class Gone(MonitorError):
    """It was valid once: it has expired, or could be used only once and was."""

    code = "gone"
    status = 410


class PreconditionFailed(MonitorError):
    """Somebody changed it since the caller read it: If-Match names a state that is past."""

    code = "precondition_failed"
    status = 412


class TooLarge(MonitorError):
    """A body over its limit, counted after decompression."""

    code = "too_large"
    status = 413


class UnsupportedMedia(MonitorError):
    """A content type or encoding that this route does not read."""

    code = "unsupported_media_type"
    status = 415


class Misdirected(MonitorError):
    """What the tenant sends must not be taken in here: the region whose affair it is, and where that answers."""

    code = "misdirected"
    status = 421

    def __init__(self, message: str, *, region: str, endpoint: str | None) -> None:
        """`endpoint` is a URL, where the region has one."""
        super().__init__(message)
        self.region = region
        self.endpoint = endpoint


class RateLimited(MonitorError):
    """Too many requests with this key."""

    code = "rate_limited"
    status = 429


class QuotaExceeded(RateLimited):
    """What the tenant may use is used up: `used` of `limit`, until `resets_at`, or for good where that is None."""

    code = "quota_exceeded"

    def __init__(
        self, message: str, *, quota: str, limit: int, used: int, resets_at: datetime | None, retry_after: float | None
    ) -> None:
        """`quota` names the limit, as in `daily_requests`; `retry_after` is in seconds."""
        super().__init__(message, retry_after=retry_after)
        self.quota = quota
        self.limit = limit
        self.used = used
        self.resets_at = resets_at


class Unavailable(MonitorError):
    """It cannot be done now and was not done; the same request may succeed after `retry_after`."""

    code = "unavailable"
    status = 503

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        """`retry_after` is in seconds and always present."""
        super().__init__(message, retry_after=retry_after)


class DatabaseDown(Unavailable):
    """PostgreSQL does not answer, or lost the connection in the middle."""

    code = "database_unavailable"


class SeriesDown(Unavailable):
    """The history store does not answer."""

    code = "series_unavailable"


class Full(Unavailable):
    """The queue, the memory budget or the disk is full."""

    code = "full"


class ConfigError(MonitorError):
    """A setting is wrong or something needed to start is missing. The start stops with this one line."""

    code = "config_error"


class InUse(ConfigError):
    """Another process holds a directory that only one may use at a time."""

    code = "in_use"


class TenantMissing(MonitorError):
    """SQL ran against a tenant's table with no tenant set. Never the caller's fault."""

    code = "tenant_missing"


class ChannelError(Exception):
    """A message could not be sent.

    `permanent`: trying again cannot help (unknown recipient, revoked token).
    `retry_after`: seconds that the other side asked for, if it did.
    `bounced`: the other side does not know the mail address.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, bounced: bool = False
    ) -> None:
        """`message` goes into `notifications.last_error`: name the fault, no secrets."""
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.bounced = bounced
