"""Scheduled runs: agents that are called when they are due, or that are expected to run by themselves."""
