"""Regions: where data may be, and how far copies of the database are behind."""
