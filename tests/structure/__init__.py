"""The habits of the repository, checked."""
