"""Where rows and bytes are kept: the Protocols of the subjects, made real."""
