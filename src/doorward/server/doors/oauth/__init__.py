"""The door of OAuth: what clients ask, and the pages on which a person decides."""
