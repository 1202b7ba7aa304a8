"""A target's pace as its row keeps it, and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts.core.grouping import Notice, Telling
from alerts.core.pace import Digest, GroupPace, Pace
from alerts.core.policy import Withheld
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason, Severity


def pace_to_json(pace: Pace) -> dict[str, Any]:
    """What `pace_from_json` reads once it is JSON (`arrays.jsons`); a pace that holds nothing is {}."""
    groups = {key: _group_to_json(one) for key, one in pace.groups.items()}
    digests = {str(by): _digest_to_json(one) for by, one in pace.digests.items()}
    parts = {"groups": groups, "digests": digests, "sent": pace.sent}
    return {name: part for name, part in parts.items() if part}


def pace_from_json(raw: Mapping[str, Any], tenant_id: UUID, target: Target) -> Pace:
    """The pace of this target of this tenant."""

    def tellings(owed: list[dict[str, Any]]) -> tuple[Telling, ...]:
        return tuple(_telling_from_json(one, tenant_id, target) for one in owed)

    groups = {
        key: GroupPace(
            group_id=UUID(one["group"]),
            told_at=_moment(one.get("told_at")),
            due_at=_moment(one.get("due_at")),
            members=frozenset(map(UUID, one.get("members", ()))),
            owed=tellings(one.get("owed", [])),
        )
        for key, one in raw.get("groups", {}).items()
    }
    digests = {
        Withheld(by): Digest(
            since=datetime.fromisoformat(one["since"]),
            due_at=datetime.fromisoformat(one["due_at"]),
            messages=one["messages"],
            owed=tellings(one["owed"]),
        )
        for by, one in raw.get("digests", {}).items()
    }
    return Pace(groups, digests, tuple(map(datetime.fromisoformat, raw.get("sent", ()))))


def _group_to_json(group: GroupPace) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "group": group.group_id,
        "told_at": group.told_at,
        "due_at": group.due_at,
        "members": sorted(map(str, group.members)),
        "owed": [_telling_to_json(one) for one in group.owed],
    }
    return {name: part for name, part in parts.items() if part}


def _digest_to_json(digest: Digest) -> dict[str, Any]:
    return {
        "since": digest.since,
        "due_at": digest.due_at,
        "messages": digest.messages,
        "owed": [_telling_to_json(one) for one in digest.owed],
    }


def _telling_to_json(telling: Telling) -> dict[str, Any]:
    notice = telling.notice
    parts = {
        "alert": notice.alert_id,
        "home": telling.home,
        "reason": notice.reason,
        "severity": notice.severity,
        "group": notice.group_id,
        "key": notice.key,
        "why": telling.why,
        "after": telling.after,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _telling_from_json(raw: Mapping[str, Any], tenant_id: UUID, target: Target) -> Telling:
    notice = Notice(
        tenant_id=tenant_id,
        target=target,
        alert_id=UUID(raw["alert"]),
        reason=Reason(raw["reason"]),
        severity=Severity(raw["severity"]),
        group_id=UUID(raw["group"]) if "group" in raw else None,
        key=raw.get("key"),
    )
    return Telling(notice, home=UUID(raw["home"]), why=raw["why"], after=_moment(raw.get("after")))


def _moment(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)
