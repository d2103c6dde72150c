"""Workspaces: the tenant boundary, and the way in."""
