"""Tests of backtests: their engine, and that they tell what the alerter did."""
