"""Signed URLs handed out, for either direction: listed, counted, narrowed and killed."""
