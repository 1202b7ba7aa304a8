"""Tests of usage: prices, the ledger, budgets."""
