"""Runs: tables and triggers, writing, reading, life cycle, counters, REST."""
