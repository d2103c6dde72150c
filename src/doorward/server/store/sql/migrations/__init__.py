"""Alembic's revisions, forward only; one that was released never changes."""
