"""Row-level security and grants of one table, said once: used by every revision that makes a tenant's table.

A table is protected for its owner too (FORCE). Grants go to partition parents only: a grant on a partition would
bypass the parent's policy. `current_setting` has no `missing_ok`: forgetting the tenant is an error.
"""

from collections.abc import Iterator

TENANT = "current_setting('app.current_tenant_id')::uuid"


def protect(
    table: str,
    *,
    app: str = "SELECT, INSERT, UPDATE, DELETE",
    alerter: str | None = None,
    doorman: str | None = None,
    operator: str | None = None,
    belongs: str = f"tenant_id = {TENANT}",
) -> Iterator[str]:
    """Statements that force row-level security on `table` and grant each role its verbs.

    `app`, `alerter`: verbs as in GRANT. `doorman`, `operator`: a list of columns it may read. `belongs`: which rows are
    the tenant's.
    """
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    yield f"CREATE POLICY owner ON {table} TO agent_monitor_owner USING (true) WITH CHECK (true)"
    yield f"CREATE POLICY tenant ON {table} TO agent_monitor_app USING ({belongs}) WITH CHECK ({belongs})"
    yield f"GRANT {app} ON {table} TO agent_monitor_app"
    if alerter:
        yield f"CREATE POLICY alerter ON {table} TO agent_monitor_alerter USING (true) WITH CHECK (true)"
        yield f"GRANT {alerter} ON {table} TO agent_monitor_alerter"
    if doorman:
        yield f"CREATE POLICY doorman ON {table} FOR SELECT TO agent_monitor_doorman USING (true)"
        yield f"GRANT SELECT ({doorman}) ON {table} TO agent_monitor_doorman"
    if operator:
        yield from watch(table, operator)


def watch(table: str, columns: str) -> Iterator[str]:
    """Statements that show the operator these columns of a protected table, in the rows of every tenant."""
    yield f"CREATE POLICY operator ON {table} FOR SELECT TO agent_monitor_operator USING (true)"
    yield f"GRANT SELECT ({columns}) ON {table} TO agent_monitor_operator"


def touch_updated_at(table: str) -> str:
    """The trigger that keeps `updated_at`."""
    return (
        f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {table} "
        "FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION set_updated_at()"
    )
