"""Bodies of an agent's settings: what it is made of, its versions, and values that it is configured with."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def no_nul(text: str) -> str:
    """The text, unless it holds the character that PostgreSQL cannot."""
    if "\x00" in text:
        raise ValueError("the character NUL cannot be stored")
    return text


Text = Annotated[str, AfterValidator(no_nul)]
Short = Annotated[str, Field(max_length=200), AfterValidator(no_nul)]
Long = Annotated[str, Field(max_length=100_000), AfterValidator(no_nul)]
Positive = Annotated[int, Field(gt=0, le=10**15, strict=True)]


class Settings(BaseModel):
    """What runs the agent. `timeout_seconds` bounds one run, `max_iterations` the steps of one."""

    role: Short | None = None
    emoji: Annotated[str, Field(max_length=50), AfterValidator(no_nul)] | None = None
    model_provider: Short | None = None
    model: Short | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Positive | None = None
    tools: list[Short] = Field(default=[], max_length=500)
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_iterations: Positive | None = None
    memory_enabled: bool = False


class LongSettings(BaseModel):
    """Settings that are too long for lists of agents."""

    backstory: Long | None = None
    system_prompt: Long | None = None


class VersionBody(BaseModel):
    """An agent's settings since `changed_at`."""

    version: int
    settings: dict[str, Any]
    changed_by: str
    changed_at: datetime


class NewValueBody(BaseModel):
    """What a key is to be set to."""

    model_config = ConfigDict(extra="forbid")

    value: Long
    active: bool = True


class ValueBody(BaseModel):
    """One value that an agent is configured with; switched off where it is not `active`."""

    key: str
    value: str
    active: bool
    created_at: datetime
    updated_at: datetime
