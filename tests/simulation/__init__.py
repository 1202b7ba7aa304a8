"""Long simulated times: a random fleet, random outages, and what must hold whatever happens."""
