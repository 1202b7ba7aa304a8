"""The five seed documents, and what of them lives here: the map, their rows, their queries, their databases."""
