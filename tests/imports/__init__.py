"""Databases made from the documents, brought here and compared row for row."""
