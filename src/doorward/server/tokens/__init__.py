"""Tokens that Doorward mints and reads itself: minutes long, and bounded by what they stand on."""
