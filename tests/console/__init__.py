"""The console: what its pages show, who may see them, and how they look to a real browser."""
