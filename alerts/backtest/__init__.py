"""What a rule would have done: its history read once, and the alerter's own functions run over it.

`tracks.py`, `rows.py` and `windows.py` say what a leaf would have read at a time, and when its verdict can change;
`replay.py` steps the machine there and nowhere else; `read.py` fills the tracks; `report.py` counts.
Each kind of leaf has a file, with what it reads of the database and the pure track that it makes of that.
"""
