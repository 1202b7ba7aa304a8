"""`/api/v1/tenant/privacy`: what is stored of contents, and what is taken out of everything."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select, update

from monitor.http.deps import Admin, Given, Reader
from monitor.identity.tables import Tenant
from monitor.ingest.privacy import SETTING, Rules
from monitor.ingest.redaction import PATTERN_LENGTH, PATTERNS_LIMIT, Category, OwnPattern, checked
from monitor.usage.bodies import no_nul

router = APIRouter(prefix="/api/v1", tags=["identity"])


class PatternBody(BaseModel):
    """A pattern in RE2's syntax; what it matches is stored as `[redacted <name>]`."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9 _-]{0,39}$")]
    pattern: Annotated[str, Field(min_length=1, max_length=PATTERN_LENGTH), AfterValidator(no_nul)]


class PrivacyBody(BaseModel):
    """The rules. `contents`: prompts, completions, and what tools got and gave, of telemetry, are stored as they are,
    not as lengths and hashes. `redact`: what is known by name."""

    contents: bool
    redact: list[Category]
    patterns: list[PatternBody]


class PrivacyChanges(BaseModel):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    contents: bool | None = None
    redact: list[Category] | None = None
    patterns: list[PatternBody] | None = Field(default=None, max_length=PATTERNS_LIMIT)


@router.get("/tenant/privacy")
async def get_privacy(deps: Given, principal: Reader) -> PrivacyBody:
    """What is stored of what people and models said."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        query = select(Tenant.settings).where(Tenant.id == principal.tenant_id)
        return PrivacyBody.model_validate(Rules.of((await connection.execute(query)).scalar_one()).said())


@router.patch("/tenant/privacy")
async def change_privacy(deps: Given, principal: Admin, body: PrivacyChanges) -> PrivacyBody:
    """Change it, effective within a second for whatever comes then; what is stored already stays as it is."""
    for index, one in enumerate(body.patterns or ()):
        checked(OwnPattern(one.name, one.pattern), f"patterns.{index}.pattern")
    async with deps.db.tenant(principal.tenant_id) as connection:
        # Locked: two changes at once would lose one of them.
        query = select(Tenant.settings).where(Tenant.id == principal.tenant_id).with_for_update()
        settings = (await connection.execute(query)).scalar_one()
        before = Rules.of(settings).said()
        after = Rules.of({SETTING: before | body.model_dump(exclude_none=True)}).said()
        after["redact"] = [str(one) for one in Category if one in after["redact"]]
        changed = update(Tenant).where(Tenant.id == principal.tenant_id).values(settings=settings | {SETTING: after})
        await connection.execute(changed)
        await deps.audit(
            connection, principal, "tenant.privacy_changed", resource=("tenant", str(principal.tenant_id)),
            old=before, new=after,
        )  # fmt: skip
    return PrivacyBody.model_validate(after)
