"""Runs that platforms post themselves: tasks, workflow executions, tool executions, interactions."""
