"""How much anybody may ask for, and how often: rates, buckets, budgets; no door and no store."""
