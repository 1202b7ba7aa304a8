"""Runs: what agents did, from workflow to tool call, and what it cost."""
