"""Points, rollups and reads of history."""
