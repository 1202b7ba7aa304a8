"""What every route shares: errors as problem+json, who is asking, pages, health."""
