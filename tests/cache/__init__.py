"""Redis as a cache, with a real one."""
