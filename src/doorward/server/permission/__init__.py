"""Who may do what: pure values and one pure function, no I/O and no clock."""
