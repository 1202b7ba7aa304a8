"""Errors as groups, traces as pages, scores, deployments and comparisons."""
