"""What is not stored, and what is never logged."""
