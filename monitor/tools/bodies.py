"""Bodies of the routes of tools."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.http.fields import Json, JsonList, Name, Slug, Text
from monitor.http.resources import Listing, OfEverybody
from monitor.tools.covering import cover

Url = Annotated[Text, Field(max_length=2000, pattern=r"^https?://")]
Command = Annotated[Text, Field(min_length=1, max_length=2000)]
Covered = Annotated[dict[str, Any], BeforeValidator(cover)]


class ServerType(StrEnum):
    """How a server is spoken to: by its standard input and output, or over HTTP in the newer or the older way."""

    STDIO = "stdio"
    HTTP = "http"
    SSE = "sse"


class ServerStatus(StrEnum):
    """A disabled server is started by nobody."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    DISABLED = "disabled"


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ServerFields(_Given):
    description: Text | None = None
    version: Name | None = None
    category: Name | None = None
    command: Command | None = None
    url: Url | None = None
    config_schema: Json = {}
    tools: Annotated[JsonList, Field(max_length=1000)] = []
    resources: Annotated[JsonList, Field(max_length=1000)] = []
    status: ServerStatus = ServerStatus.ACTIVE
    documentation_url: Url | None = None
    repository_url: Url | None = None
    metadata: Json = {}


class NewServerBody(_ServerFields):
    """A server to be listed: `stdio` is started by its `command`, the others are at their `url`.

    `config_schema` is JSON Schema; what it marks as `"secret": true` is sealed in every configuration.
    """

    slug: Slug
    name: Name
    server_type: ServerType


class ServerChanges(_ServerFields):
    """What is to be changed; what is not sent stays."""

    slug: Slug = ""
    name: Name = ""
    server_type: ServerType = ServerType.STDIO


class ServerBody(BaseModel):
    """A server that agents may use. `is_public`: it is everybody's."""

    id: UUID
    slug: str
    name: str
    description: str | None
    version: str | None
    category: str | None
    server_type: ServerType
    command: str | None
    url: str | None
    config_schema: dict[str, Any]
    tools: list[Any]
    resources: list[Any]
    status: ServerStatus
    is_public: OfEverybody
    documentation_url: str | None
    repository_url: str | None
    metadata: dict[str, Any]
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ServerListing(Listing):
    """What servers are looked for by."""

    category: str | None = None
    server_type: ServerType | None = None
    status: ServerStatus | None = None


class Limits(_Given):
    """What a server may take: seconds for a call, mebibytes of memory, calls a minute."""

    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    memory_mb: Annotated[int, Field(gt=0, le=1 << 30)] | None = None
    calls_per_minute: Annotated[int, Field(gt=0, le=1 << 30)] | None = None


class _ConfigFields(_Given):
    enabled: bool = True
    config: Json = {}
    environment: dict[Name, Text | None] = {}
    limits: Limits = Limits()
    allowed_users: Annotated[list[UUID], Field(max_length=1000)] | None = None


class NewConfigBody(_ConfigFields):
    """How a server is to be used, named by id. `allowed_users`: who may start it; null: everybody in the tenant."""

    server_id: UUID


class ConfigChanges(_ConfigFields):
    """What is to be changed; what is not sent stays, of `config` and `environment` name by name, and null removes."""


class ConfigBody(BaseModel):
    """How a server is used, without its secrets."""

    id: UUID
    server_id: UUID
    enabled: bool
    config: Covered
    environment: Covered
    limits: Limits
    allowed_users: list[UUID] | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class ConfigListing(Listing):
    """What configurations are looked for by."""

    enabled: bool | None = None
    server_id: UUID | None = None


class LaunchBody(BaseModel):
    """All that is needed to start a server or to reach it, secrets too."""

    server: str
    server_type: ServerType
    command: str | None
    url: str | None
    config: dict[str, Any]
    environment: dict[str, Any]
    limits: Limits
