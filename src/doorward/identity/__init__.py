"""Who is this and what do they hold: values and pure functions, no I/O and no clock."""
