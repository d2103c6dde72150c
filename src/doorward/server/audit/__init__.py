"""Who asked for what, and what came of it."""
