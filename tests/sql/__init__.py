"""Migrations, schema and row-level security."""
