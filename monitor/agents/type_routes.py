"""`/api/v1/agent-types`: templates of agents, the tenant's own and the predefined ones."""

from typing import cast

from sqlalchemy import Table

from monitor.agents.bodies import AgentTypeBody, AgentTypeChanges, NewAgentTypeBody
from monitor.agents.tables import AgentType
from monitor.http import resource_routes
from monitor.http.resources import Resource
from monitor.principal import Slice

AGENT_TYPES = Resource(
    kind="agent_type",
    path="/agent-types",
    slice=Slice.AGENTS,
    table=cast(Table, AgentType.__table__),
    new=NewAgentTypeBody,
    changes=AgentTypeChanges,
    shown=AgentTypeBody,
    sorts=("slug", "name", "created_at", "updated_at"),
    name="slug",
    searched=("slug", "name"),
    shared=True,
)
router = resource_routes.router(AGENT_TYPES)
