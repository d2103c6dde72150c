"""Rows in SQLite: one writer thread that groups commits, readers beside it."""
