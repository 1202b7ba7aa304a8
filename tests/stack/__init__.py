"""The stack of docker-compose.yml: what it says, and what it does where it can be run."""
