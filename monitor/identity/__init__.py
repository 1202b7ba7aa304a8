"""Who may do what: tenants, users, memberships, API keys."""
