"""The schema: Alembic revisions, roles, policies, and the generated schema.sql."""
