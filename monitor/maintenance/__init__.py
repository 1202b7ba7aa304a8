"""Tables and indexes kept in shape beyond what autovacuum does: vacuumed weekly, analysed, rebuilt where bloated.

`planning` says what is due, from facts alone; `facts` reads them; `work` does it, one thing at a time; `job` is what
the alerter runs and shows in `/metrics`.
"""
