"""The pack of rules on replication pages about the standby that is behind, and says when it is not any more."""

from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

LAG = "replication_lag_seconds"


async def test_a_standby_that_falls_behind_pages_by_its_name(t: Timeline) -> None:
    await t.request("PUT", "rule-packs/replication", {"channels": {"email": "ops@example.com"}})
    for second in range(0, 240, 10):
        at = f"{second}s"
        await t.metric("postgresql", LAG, 0.0, at, tags={"standby": "dublin"})
        await t.metric("postgresql", LAG, float(second) if second > 30 else 0.0, at, tags={"standby": "ashburn"})
        await t.tick(at)
    (alert,) = await t.alerts(status="open")
    assert (alert["rule"], alert["labels"]) == ("A standby is behind", {"standby": "ashburn"})
    assert t.expect("email", Reason.FIRST).message.lines[0].rule == "A standby is behind"
    for second in range(240, 300, 10):
        await t.metric("postgresql", LAG, 0.0, f"{second}s", tags={"standby": "ashburn"})
        await t.tick(f"{second}s")
    assert await t.alerts(status="open") == []
