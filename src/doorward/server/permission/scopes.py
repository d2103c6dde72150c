"""The upper bounds a credential can carry, ``resource:action``."""

from enum import StrEnum


class Scope(StrEnum):
    """One bound; a credential never does what no scope of its names."""

    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    FILES_DELETE = "files:delete"
    WORKSPACES_READ = "workspaces:read"
    WORKSPACES_CREATE = "workspaces:create"
    WORKSPACES_MANAGE = "workspaces:manage"
    MEMBERS_READ = "members:read"
    MEMBERS_MANAGE = "members:manage"
    KEYS_READ = "keys:read"
    KEYS_MANAGE = "keys:manage"
    AUDIT_READ = "audit:read"
    WEBHOOKS_MANAGE = "webhooks:manage"
    SEARCH_READ = "search:read"
    EVENTS_READ = "events:read"


ALL_SCOPES: frozenset[Scope] = frozenset(Scope)
"""What a person's own session carries: the role alone limits it."""
