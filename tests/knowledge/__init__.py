"""Collections, their documents, and what is found in them."""
