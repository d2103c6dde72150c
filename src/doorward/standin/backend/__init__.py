"""Clerk's Backend API, call by call: each handler reads a request, runs one command, presents."""
