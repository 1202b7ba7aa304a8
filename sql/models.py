"""Every table of the product, imported in one place: what Alembic and the schema tests compare with."""

import alerts.drill_tables
import alerts.escalation_tables
import alerts.interop_tables
import alerts.muting_tables
import alerts.pacing_tables
import alerts.tables
import monitor.agents.tables
import monitor.audit.tables
import monitor.calendar.tables
import monitor.conversations.tables
import monitor.identity.tables
import monitor.imports.tables
import monitor.ingest.tables
import monitor.knowledge.tables
import monitor.maintenance.tables
import monitor.regions.tables
import monitor.retention.tables
import monitor.runs.insight_tables
import monitor.runs.tables
import monitor.runs.trace_tables
import monitor.schedules.tables
import monitor.series.tables
import monitor.subjects.tables
import monitor.tools.tables
import monitor.usage.quota_tables
import monitor.usage.statement_tables
import monitor.usage.tables
from monitor.tables import Base
from sql import comments

MODULES = (
    monitor.identity.tables,
    monitor.agents.tables,
    monitor.series.tables,
    monitor.ingest.tables,
    monitor.schedules.tables,
    monitor.runs.tables,
    monitor.usage.tables,
    monitor.usage.quota_tables,
    monitor.usage.statement_tables,
    monitor.regions.tables,
    monitor.runs.trace_tables,
    monitor.runs.insight_tables,
    monitor.conversations.tables,
    monitor.audit.tables,
    monitor.calendar.tables,
    monitor.imports.tables,
    monitor.retention.tables,
    monitor.subjects.tables,
    monitor.maintenance.tables,
    monitor.knowledge.tables,
    monitor.tools.tables,
    alerts.tables,
    alerts.interop_tables,
    alerts.drill_tables,
    alerts.escalation_tables,
    alerts.muting_tables,
    alerts.pacing_tables,
)

metadata = Base.metadata
comments.attach(metadata)
