"""The fleet: agent types, agents, their live state, and their logs."""
