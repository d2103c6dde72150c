"""How fast a revocation takes effect: measured at every door of a server of its own."""
