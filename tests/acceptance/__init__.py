"""The promises of the product, end to end."""
