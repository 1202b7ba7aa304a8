"""Conversations and their messages, read and edited. They are posted to monitor.ingest.conversations."""
