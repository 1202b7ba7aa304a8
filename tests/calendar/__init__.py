"""The calendar: occurrences, rotations, and what is served of them."""
