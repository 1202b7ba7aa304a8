"""Bodies of Alertmanager's API v2, as its OpenAPI description names and shapes them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("NUL and halves of character pairs cannot be stored")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Value = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)]
Told = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_storable)]


class PostableAlert(BaseModel):
    """An alert as it is posted."""

    model_config = ConfigDict(extra="ignore")

    labels: dict[Name, Value] = Field(max_length=64)
    annotations: dict[Name, Told] = Field(default={}, max_length=64)
    starts_at: AwareDatetime | None = Field(default=None, alias="startsAt")
    ends_at: AwareDatetime | None = Field(default=None, alias="endsAt")
    generator_url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)] = Field(
        default="", alias="generatorURL"
    )


class AlertState(BaseModel):
    """Whether messages about an alert are sent."""

    state: str
    silencedBy: list[str] = []  # noqa: N815 - Alertmanager's name
    inhibitedBy: list[str] = []  # noqa: N815
    mutedBy: list[str] = []  # noqa: N815


class GettableAlert(BaseModel):
    """An alert as it is answered."""

    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: datetime  # noqa: N815
    endsAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815
    generatorURL: str  # noqa: N815
    fingerprint: str
    receivers: list[dict[str, str]]
    status: AlertState


class StatusAnswer(BaseModel):
    """What Alertmanager says of itself."""

    cluster: dict[str, Any]
    versionInfo: dict[str, str]  # noqa: N815
    config: dict[str, str]
    uptime: datetime
