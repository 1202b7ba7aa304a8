"""Tests: real PostgreSQL, real SMTP, real HTTP; one file a behaviour."""
