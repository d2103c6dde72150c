"""What organizations, and people on their own, store and spend."""
