"""Conversations and messages that platforms post themselves."""
