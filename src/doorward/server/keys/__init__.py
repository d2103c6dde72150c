"""API keys: made, shown once, bounded, rotated, revoked, and proved on every request."""
