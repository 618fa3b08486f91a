"""Scorers that need no network, and categories."""
