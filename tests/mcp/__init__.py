"""MCP servers, and how they are used."""
