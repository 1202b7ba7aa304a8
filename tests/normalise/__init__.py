"""Dialects, and what their senders really send."""
