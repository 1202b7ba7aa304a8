"""Agents as people set them up."""
