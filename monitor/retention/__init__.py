"""What has had its time goes: whole partitions where everybody's has, rows in small batches elsewhere.

`kinds` says which tables a policy is about and how a row's age is told; `limits` puts the settings and the tenants'
policies together; `sweep` counts or removes rows, and writes what it removed of whose to `retention_runs`.
"""
