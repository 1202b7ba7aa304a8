"""The pure core of alerting."""
