"""Maintenance: what is due when, and what it does to real bloat."""
