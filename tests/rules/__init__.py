"""Tests of rules as YAML."""
