"""Limits at the doors: drawn from, refused with, and told of in headers."""
