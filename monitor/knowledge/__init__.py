"""Knowledge: collections of documents in chunks with vectors, found by similarity; what was asked of them."""
