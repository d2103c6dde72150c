"""OAuth 2.1: applications that act for a person, with what that person allowed and no more."""
