"""What a rule would have done: its history read once, and the alerter's own functions run over it.

`tracks.py` and `windows.py` say what a leaf would have read at a time, and at which times its verdict can change;
`replay.py` steps the machine there and nowhere else; `read.py` fills tracks from the database; `report.py` counts.
Everything but `read.py` is pure.
"""
