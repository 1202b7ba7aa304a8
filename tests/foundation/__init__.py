"""Tests of what everything stands on: settings, identifiers, partitions, errors."""
