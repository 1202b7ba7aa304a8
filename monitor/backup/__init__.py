"""Backups of the database and of history: taken, kept for their time, restored, and proved by restoring.

A folder of backups::

    <folder>/lock                                 held while one is taken
    <folder>/20260102T030405Z-full/               a whole one: `manifest.json`, `postgres/`, `wal/`, `influx/`
    <folder>/20260102T090405Z-incremental/        what changed since the one before it
    <folder>/20260103T030405Z-full.partial/       in the making, or left by a crash; never restored from
    <folder>/wal/<slot>/                          every change in between, for a chosen second

`take` makes one of `physical` or `logical`, with `history` of InfluxDB; `fingerprint` counts rows and sums their hashes
at the very state that the backup restores to; `recover` brings one back; `verify` does so on a server of its own and
compares; `archive` follows the changes; `schedule` says when, and `keeping` what goes.
"""
