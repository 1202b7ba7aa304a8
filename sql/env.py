"""Alembic's environment: revisions run on the connection that `sql/migrate.py` hands over."""

from alembic import context

from sql.models import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
context.run_migrations()
