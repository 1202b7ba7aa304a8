"""Processes killed and parts taken away under load."""
