"""What a subject may be in a workspace, weakest first."""

from enum import StrEnum
from typing import Self


class Role(StrEnum):
    """A grant in one workspace; a later role may do all that an earlier one may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Where the role stands, weakest first."""
        return _RANKS[self]

    def covers(self, other: Self) -> bool:
        """Say whether whoever holds this role holds ``other`` too."""
        return self.rank >= other.rank


_RANKS = {role: rank for rank, role in enumerate(Role)}


def strongest(roles: list[Role]) -> Role | None:
    """Give the role that covers all the others, or None where there is none."""
    return max(roles, key=lambda role: role.rank, default=None)


def weaker(first: Role | None, second: Role | None) -> Role | None:
    """Give the role that both cover, or None where one is none."""
    if first is None or second is None:
        return None
    return second if first.covers(second) else first
