"""Who is asking: the result of authentication, passed to everything that acts for somebody.

What they may do are grants: a scope, which holds for everything, or `<slice>:<verb>`, as in `agents:read`.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from monitor.errors import Forbidden


class Scope(StrEnum):
    """What a key may do. `admin` includes the others."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    ALERTS = "alerts"
    ADMIN = "admin"


class Slice(StrEnum):
    """The parts of the API, by the tags of its description."""

    AGENTS = "agents"
    TOOLS = "tools"
    CONVERSATIONS = "conversations"
    RUNS = "runs"
    KNOWLEDGE = "knowledge"
    SERIES = "series"
    USAGE = "usage"
    ALERTS = "alerts"
    CALENDAR = "calendar"
    IDENTITY = "identity"
    REGIONS = "regions"
    RETENTION = "retention"
    AUDIT = "audit"


class Verb(StrEnum):
    """What can be done in a part: look, change, or set going."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"


def check_grant(text: str) -> str:
    """The grant itself. Raises ValueError for one that grants nothing."""
    part, colon, verb = text.partition(":")
    if colon:
        if part not in set(Slice) or verb not in set(Verb):
            raise ValueError(f"one of {', '.join(Slice)}, a colon and one of {', '.join(Verb)} are expected")
    elif text not in set(Scope):
        raise ValueError(f"one of {', '.join(Scope)}, or as in agents:read, is expected")
    return text


class Role(StrEnum):
    """What a member is in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    ON_CALL = "on-call"
    VIEWER = "viewer"

    @property
    def scopes(self) -> frozenset[Scope]:
        """What a member may do who signs in."""
        match self:
            case Role.OWNER | Role.ADMIN:
                return frozenset({Scope.ADMIN})
            case Role.MEMBER:
                return frozenset({Scope.READ, Scope.WRITE, Scope.ALERTS})
            case Role.ON_CALL:
                return frozenset({Scope.READ, Scope.ALERTS})
            case Role.VIEWER:
                return frozenset({Scope.READ})


class TenantStatus(StrEnum):
    """A suspended tenant ingests nothing and is not paged, and can sign in to read; a deleted one neither."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: an IP address, and what its client calls itself. None: not known."""

    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Principal:
    """A key or a person acting in one tenant. `agent_id` is set for a key that is bound to one agent.

    `scopes`: grants. `reached`: who acts on a message that reached them, neither by a key nor signed in:
    `slack:U024BE7LH (alice)`, `email:ops@example.com`.
    """

    tenant_id: UUID
    tenant_status: TenantStatus
    scopes: frozenset[str]
    key_id: UUID | None = None
    user_id: UUID | None = None
    agent_id: UUID | None = None
    reached: str | None = None
    origin: Origin | None = None

    @property
    def actor(self) -> str:
        """Who to name in an audit row or a rule's version."""
        if self.reached is not None:
            return self.reached
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"key:{self.key_id}" if self.key_id is not None else "system"

    def may(self, scope: Scope, grant: str | None = None) -> bool:
        """Whether this principal has the scope, or the narrower grant in its place."""
        return Scope.ADMIN in self.scopes or scope in self.scopes or grant in self.scopes

    def require(self, scope: Scope, grant: str | None = None) -> None:
        """Raise Forbidden unless this principal may, in a tenant whose status allows it."""
        if not self.may(scope, grant):
            lacks = "this key lacks" if self.user_id is None or self.key_id is not None else "your role does not have"
            raise Forbidden(f"{lacks} the scope {scope.value!r}")
        if self.tenant_status is TenantStatus.SUSPENDED and scope is not Scope.READ:
            raise Forbidden("the tenant is suspended: it can be read and nothing else")
