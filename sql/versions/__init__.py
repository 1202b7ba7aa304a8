"""Revisions, one concern each, every one with a working downgrade."""
