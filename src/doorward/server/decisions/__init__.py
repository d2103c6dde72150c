"""Why somebody may, or might, or might not: the enforcement's own decisions, told."""
