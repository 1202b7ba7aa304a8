"""Tools: the MCP servers that agents may use, and how each tenant uses them."""
