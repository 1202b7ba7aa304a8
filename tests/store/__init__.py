"""The database: embedded server, roles, doors, partitions."""
