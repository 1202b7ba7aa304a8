"""Usage: prices, the ledger of model calls, budgets."""
