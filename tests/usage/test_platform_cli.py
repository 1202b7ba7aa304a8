"""`agent-monitor plans`, `quotas`, `statements` and `regions` as commands."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import text

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import urls
from tests.stage import VARIABLES
from tests.usage.stage import Stage
from tests.usage.test_prices_cli import run

PLANS = """
[[plans]]
slug = "pro"
name = "Professional"
price_usd = 49.5
daily_requests = 1000
"""


async def actions(db: Database, stage: Stage) -> list[str]:
    """What the tenant's audit trail has."""
    return [row[0] for row in await stage.rows("SELECT action FROM audit_logs ORDER BY id")]


async def test_a_tenant_is_given_a_plan_and_a_quota(
    postgres: EmbeddedPostgres, database_name: str, db: Database, tmp_path: Path
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    stage = await Stage.of(db, datetime.now(UTC))
    slug, file = stage.tenant.slug, tmp_path / "plans.toml"
    file.write_text(PLANS)
    assert (await run(env, "migrate"))[0] == 0
    assert [line.split()[0] for line in (await run(env, "plans", "list"))[1]] == [
        "enterprise",
        "free",
        "pro",
        "starter",
    ]
    assert await run(env, "plans", "import", str(file)) == (0, ["1 new or changed"])
    assert await run(env, "plans", "import", str(file)) == (0, ["0 new or changed"])
    # The next release's list leaves alone what an operator imported.
    assert (await run(env, "migrate"))[0] == 0
    (pro,) = [line.split() for line in (await run(env, "plans", "list"))[1] if line.startswith("pro")]
    assert pro == ["pro", "49.5", "0", "-", "1000", "-", "imported"]
    assert await run(env, "plans", "give", slug, "pro") == (0, [])
    assert (await run(env, "plans", "give", slug, "gold"))[0] == 1
    assert await run(env, "quotas", "set", slug, "agents", "2") == (0, [])
    rows = {line.split()[0]: line.split()[1:] for line in (await run(env, "quotas", "list", slug))[1]}
    assert rows["agents"] == ["2", "of", "2", "exhausted", "quota"]
    assert rows["daily_requests"][:5] == ["0", "of", "1000", "open", "plan"]
    assert await run(env, "quotas", "clear", slug, "agents") == (0, [])
    code, said = await run(env, "quotas", "clear", slug, "agents")
    assert (code, said) == (1, [f"agent-monitor: the tenant {slug!r} has no quota of its own for agents"])
    assert await actions(db, stage) == ["tenant.plan_changed", "quota.changed", "quota.deleted"]


async def test_a_months_statement_is_issued_and_paid(
    postgres: EmbeddedPostgres, database_name: str, db: Database
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    stage = await Stage.of(db, datetime.now(UTC))
    slug = stage.tenant.slug
    ended = stage.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    await stage.put([stage.call(at=ended, given_cost=Decimal("1.5"))])
    async with db.owner() as owner:
        assert (await owner.execute(text("SELECT count(*) FROM billing_records"))).scalar() == 0
    month = f"{ended:%Y-%m}"
    assert await run(env, "statements", "issue", slug, month) == (0, [])
    assert (await run(env, "statements", "issue", slug, month))[0] == 1
    assert (await run(env, "statements", "issue", slug, f"{stage.now:%Y-%m}"))[0] == 1
    assert await run(env, "statements", "paid", slug, month) == (0, [])
    (line,) = (await run(env, "statements", "list", slug))[1]
    assert line.split() == [month, "paid", "free", "1", "0", "1.5"]
    assert await actions(db, stage) == ["billing_record.issued", "billing_record.paid"]


async def test_regions_are_made_and_tenants_belong_to_them(
    postgres: EmbeddedPostgres, database_name: str, db: Database
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    stage = await Stage.of(db, datetime.now(UTC))
    slug = stage.tenant.slug
    named = ("--name", "Dublin", "--jurisdiction", "EU")
    assert await run(env, "regions", "set", "eu-west", *named, "--primary") == (0, [])
    assert (await run(env, "regions", "set", "us-east", *named, "--primary"))[0] == 1
    assert await run(env, "regions", "set", "us-east", *named, "--standby", "ashburn") == (0, [])
    assert [line.split()[:3] for line in (await run(env, "regions", "list"))[1]] == [
        ["eu-west", "EU", "primary"], ["us-east", "EU", "ashburn"],
    ]  # fmt: skip
    assert await run(env, "regions", "assign", slug, "eu-west", "--residency") == (0, [])
    assert (await run(env, "regions", "remove", "eu-west"))[0] == 1
    assert await run(env, "regions", "release", slug, "eu-west") == (0, [])
    assert (await run(env, "regions", "release", slug, "eu-west"))[0] == 1
    assert await run(env, "regions", "remove", "eu-west") == (0, [])
    assert await run(env, "regions", "standbys") == (0, [])
    assert (await run(env, "regions", "forget", "ashburn"))[0] == 1
    assert await actions(db, stage) == ["tenant_region.assigned", "tenant_region.released"]
