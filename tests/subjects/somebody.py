"""A member with a row in every declared place, and what in those rows must be nowhere when they are erased."""

import re
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7
from tests.http.furnished.made import Furnished

NAME = "Marion Quillfeather"
EMAIL = "Marion.Quill@feather.example"
USERNAME = "marionquill87"
CALLED = "customer-4711"
"""What a program calls her."""
PHONE = "+49-30-901820"
ADDRESS = "203.0.113.87"
BROWSER = "QuillBrowser/8"
WROTE = "a confession of hers"
MARKS = (NAME, EMAIL, USERNAME, CALLED, PHONE, ADDRESS, BROWSER, WROTE)

NAMED = {
    "scores": "given_by = :email, comment = :wrote",
    "tool_executions": "task_id = (SELECT id FROM tasks WHERE tenant_id = :tenant), parameters = :json",
    "agent_interactions": "task_id = (SELECT id FROM tasks WHERE tenant_id = :tenant), message = :wrote",
    "spans": "facts = facts || jsonb_build_object('user', CAST(:called AS text)), attributes = :json",
    "traces": "conversation = (SELECT external_id FROM conversations WHERE tenant_id = :tenant), words = :wrote",
    "rag_queries": "conversation = (SELECT external_id FROM conversations WHERE tenant_id = :tenant), "
    "query_text = :wrote",
    "agent_states": "conversation = (SELECT external_id FROM conversations WHERE tenant_id = :tenant), state = :json",
    "tasks": "user_ref = :called, description = :wrote, input = :json",
    "workflow_executions": "user_id = :her, initiator = :name, input = :json",
    "model_calls": "user_ref = :called, metadata = :json",
    "usage_hours": "user_ref = :called",
    "usage_metrics": "user_id = :her",
    "budgets": "scope = 'user', target = :called",
    "message_edits": "edited_by = 'user:' || :her, content = :wrote",
    "message_names": "external_id = :email",
    "messages": "role = 'user', user_ref = :called, content = :wrote, attachments = jsonb_build_array(:json)",
    "conversations": "user_id = :her, user_ref = :called, participants = ARRAY[CAST(:called AS text)], title = :wrote",
    "alert_events": "kind = 'comment', actor = 'user:' || :her, details = jsonb_build_object('comment', :wrote::text)",
    "alerts": "acknowledged_by = 'user:' || :her, snoozed_by = 'email:' || :email",
    "silences": "created_by = :email, expired_by = 'user:' || :her, comment = :wrote",
    "inhibitions": "created_by = 'user:' || :her",
    "alert_configs": "created_by = 'user:' || :her, owner = :name, "
    "channels = jsonb_build_object('email', :email::text)",
    "alert_config_versions": "changed_by = 'user:' || :her",
    "agent_versions": "changed_by = 'user:' || :her",
    "rule_packs": "created_by = 'user:' || :her",
    "retention_policies": "created_by = 'user:' || :her",
    "error_groups": "status_by = 'user:' || :her",
    "deployments": "created_by = 'user:' || :her, description = :wrote",
    "data_requests": "requested_by = 'user:' || :her",
    "calendar_events": "kind = 'event', schedule = NULL, created_by = 'user:' || :her, members = ARRAY[:her], "
    "title = :wrote, description = :wrote",
    "agents": "created_by = :her, tags = jsonb_build_object('contact', :email::text)",
    "documents": "uploaded_by = :her",
    "mcp_server_configs": "created_by = :her, allowed_users = ARRAY[:her]",
    "api_keys": "user_id = :her, name = :name",
    "paces": "target = :email",
    "drills": "target = :email",
    "notification_groups": "target = :email, secret = :wrote",
    "notifications": "target = :email, why = 'told ' || :name",
    "bounces": "address = lower(:email), cleared_by = 'user:' || :her",
    # What is hers by no column, and only names her.
    "agent_logs": "message = 'mail to ' || :email, details = jsonb_build_object('by', :name::text)",
    "channels": "target = :email",
    "received_alerts": "labels = jsonb_build_object('owner', :name::text)",
    "mcp_servers": "description = :name || ' keeps it'",
}
"""What makes the one row that a furnished tenant has in each table hers."""


HERSELF = (
    "INSERT INTO users (id, email, name, first_name, last_name, username, password_hash) "
    "VALUES (:her, :email, :name, 'Marion', 'Quillfeather', :username, 'a hash that is never shown')",
    'INSERT INTO memberships (tenant_id, user_id, quiet_hours) VALUES (:tenant, :her, \'{"start": "22:00"}\')',
    "INSERT INTO user_identities (issuer, subject, user_id) VALUES ('https://id.example.com', :username, :her)",
    "INSERT INTO user_sessions (tenant_id, id, user_id, token_hash, method, device_info, ip_address, expires_at) "
    "VALUES (:tenant, :id, :her, 'never-shown-digest', 'link', jsonb_build_object('user_agent', :browser::text), "
    "CAST(:address AS inet), now() + interval '1 day')",
    "INSERT INTO contact_methods (tenant_id, user_id, position, kind, target, secret) "
    "VALUES (:tenant, :her, 0, 'ntfy', :phone, 'never-shown-token')",
    "INSERT INTO data_requests (tenant_id, id, kind, user_id, also, requested_by) "
    "VALUES (:tenant, :id, 'export', :her, ARRAY[:called::text], 'system')",
    "INSERT INTO audit_logs (tenant_id, id, actor, user_id, action, resource_type, resource_id, old_values, "
    "new_values, ip_address, user_agent) "
    "VALUES (:tenant, :id, 'user:' || :her, :her, 'user.updated', 'user', :her::text, "
    "jsonb_build_object('username', :username::text, 'name', :name::text), jsonb_build_object('comment', :wrote::text, "
    "'role', 'member', 'contacts', jsonb_build_array(:phone::text)), CAST(:address AS inet), :browser)",
    "INSERT INTO audit_logs (tenant_id, id, actor, action, resource_type, resource_id, new_values) "
    "VALUES (:tenant, :other, 'key:1', 'bounce.cleared', 'bounce', lower(:email), "
    "jsonb_build_object('why', :name || ' says so', 'comment', 'kept'))",
    "UPDATE tenants SET contact_email = :email, contact_name = :name WHERE id = :tenant",
)


async def settle(db: Database, made: Furnished) -> UUID:
    """Make her a member of a furnished tenant, whose rows become hers; her id."""
    now = datetime.now(UTC)
    her = uuid7(now)
    given = {
        "her": her, "tenant": made.tenant.id, "email": EMAIL, "name": NAME, "called": CALLED, "wrote": WROTE,
        "json": f'{{"said": "{WROTE}"}}', "phone": PHONE, "browser": BROWSER, "address": ADDRESS, "id": uuid7(now),
        "other": uuid7(now), "username": USERNAME, "spare": made.spare_key_id,
    }  # fmt: skip
    casts = {"her": "uuid", "json": "jsonb"} | dict.fromkeys(("email", "name", "called", "wrote", "phone"), "text")
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(made.tenant.id)})
        for statement in (*HERSELF, *(f"UPDATE {table} SET {to} WHERE tenant_id = :tenant AND {_one(table)}"
                                      for table, to in NAMED.items())):  # fmt: skip
            for name, kind in casts.items():
                statement = re.sub(rf"(?<!CAST\():{name}\b(?!::)", f"CAST(:{name} AS {kind})", statement)
            statement = re.sub(r":(\w+)::(\w+)", r"CAST(:\1 AS \2)", statement)
            await owner.execute(text(statement), given)
    return her


def _one(table: str) -> str:
    """Of a table with several rows the one that may be hers alone."""
    return {
        "agents": "external_id = 'shared-name'",
        "data_requests": "requested_by <> 'system'",
        # Not the key that the tests ask with: it would ask in her name.
        "api_keys": "id = :spare",
    }.get(table, "true")
