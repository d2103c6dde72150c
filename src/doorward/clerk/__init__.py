"""Clerk's credentials verified as Clerk's own backend SDK does, and where it differs, stricter."""
