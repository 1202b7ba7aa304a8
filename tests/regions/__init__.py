"""Regions: where data may be, and standbys."""
