"""Databases of other platforms, brought here: made from one of the five documents that the schema is mapped to.

`source` reads tables in one snapshot, `mend` puts values right, a `doc…` module says what each table's rows become,
`running` takes batch after batch and keeps, in the transaction that stores a batch, how far it is.
"""
