"""Uploads: bytes on their way in, invisible until one row makes them a file."""
