"""`/api/v1/workflows`: what agents do together, as people define it."""

import re
from typing import Any, cast

from sqlalchemy import Table

from monitor.errors import InvalidInput
from monitor.http import resource_routes
from monitor.http.resources import Change, Hooks, Listing, Resource, Row
from monitor.principal import Slice
from monitor.runs import graph
from monitor.runs.bodies import NewWorkflowBody, WorkflowBody, WorkflowChanges, WorkflowStatus
from monitor.runs.tables import Workflow

# A change of these is a new version: what ran before ran by another definition.
_VERSIONED = {"definition", "agent_ids", "timeout_seconds", "retry"}


class WorkflowListing(Listing):
    """What workflows are asked for by."""

    status: WorkflowStatus | None = None


class _Workflows(Hooks):
    """A definition has no circles; the slug is made of the name where none is given; changes are counted."""

    async def check(self, change: Change, new: dict[str, Any], old: Row | None) -> None:
        """Raise InvalidInput for a definition that cannot be."""
        if "definition" in new:
            graph.check(new["definition"])
        if old is None:
            new["slug"] = new["slug"] or re.sub(r"[^\w.-]+", "-", new["name"].lower()).strip("-")[:100]
            if not new["slug"]:
                raise InvalidInput("none can be made of this name: give one", path="slug")
        elif new.keys() & _VERSIONED:
            new["version"] = old["version"] + 1


WORKFLOWS = Resource(
    kind="workflow",
    path="/workflows",
    slice=Slice.RUNS,
    table=cast(Table, Workflow.__table__),
    new=NewWorkflowBody,
    changes=WorkflowChanges,
    shown=WorkflowBody,
    query=WorkflowListing,
    sorts=("slug", "name", "created_at", "updated_at"),
    name="slug",
    searched=("slug", "name"),
    hooks=_Workflows(),
)
router = resource_routes.router(WORKFLOWS)
