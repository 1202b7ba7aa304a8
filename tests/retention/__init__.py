"""Retention: whose rows go when, and what is said of it."""
