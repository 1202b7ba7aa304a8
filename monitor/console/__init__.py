"""The console: pages for people, rendered here and refreshed by a little script."""
