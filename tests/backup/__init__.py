"""Backups: taken under load, restored into an empty place, proved equal."""
