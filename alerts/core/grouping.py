"""One message for what one pass has to tell one target, and the fingerprint of a label set."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import msgspec

from alerts.core.labels import Labels, make_labels
from alerts.core.policy import urgency
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason, Severity


class Notice(msgspec.Struct, frozen=True):
    """One alert that has something to tell one target, and why.

    `group_id` is the notification group in which this target heard of the alert before; None for the first
    time. `key` names the group that it may join then; None: only what is told in the same pass.
    """

    tenant_id: UUID
    target: Target
    alert_id: UUID
    reason: Reason
    severity: Severity
    group_id: UUID | None = None
    key: str | None = None


class Telling(msgspec.Struct, frozen=True):
    """A notice with the tenant that the alert belongs to, and one sentence that says why it is sent now.

    `after`: when this target was last told; the message sorts after that one even if clocks differ.
    """

    notice: Notice
    home: UUID
    why: str
    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeGroup:
    """What one message tells: notices of one tenant and target, the most severe first.

    `group_id` is that of the earlier message that this one follows; None where it begins a group.
    """

    tenant_id: UUID
    target: Target
    group_id: UUID | None
    notices: tuple[Notice, ...]

    @property
    def severity(self) -> Severity:
        """The worst of the notices' severities."""
        return self.notices[0].severity

    @property
    def resolved(self) -> bool:
        """Whether every notice says that its alert is resolved."""
        return all(notice.reason is Reason.RESOLVED for notice in self.notices)


def group(notices: Iterable[Notice]) -> list[NoticeGroup]:
    """The messages of one pass: one per tenant, target (kind and address) and earlier group.

    All that a target hears for the first time in one pass is one new group; what follows an earlier message
    stays with that one. In the order in which each was first seen.
    """
    grouped: dict[tuple[UUID, Target, UUID | None], list[Notice]] = {}
    for notice in notices:
        grouped.setdefault((notice.tenant_id, notice.target, notice.group_id), []).append(notice)
    return [
        NoticeGroup(tenant_id, target, group_id, tuple(sorted(members, key=lambda it: -urgency(it.severity))))
        for (tenant_id, target, group_id), members in grouped.items()
    ]


def group_key(by: Sequence[str], *, rule: str, agent: str, labels: Mapping[str, str]) -> str:
    """What alerts have in common that are told together: `by` are "rule", "agent" or names of labels."""
    values = {**labels, "rule": rule, "agent": agent}
    return json.dumps([values.get(name, "") for name in by], separators=(",", ":"), ensure_ascii=True)


def fingerprint(labels: Labels | Mapping[str, str]) -> str:
    """32 hexadecimal digits that are the same for the same labels, whatever their order, on every machine."""
    return _fingerprint(make_labels(labels))


@lru_cache(maxsize=10_000)
def _fingerprint(labels: Labels) -> str:
    canonical = json.dumps(labels, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(canonical.encode("ascii"), digest_size=16).hexdigest()
