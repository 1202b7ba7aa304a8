"""What is stored about one person: where it is, handed out to them, and erased.

`places` declares it table by table; `person` says by what somebody is known; `export` streams their rows; `erasing`
blanks or deletes them in batches, step by step of `steps`; `requests` keeps what was asked for and how far it is.
"""
