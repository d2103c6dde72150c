"""The doors: each parses and bounds, calls one service, and presents."""
