"""Workspaces handed over: offered, looked at, claimed, and for a while undone."""
