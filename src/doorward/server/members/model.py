"""A person's place in a workspace."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.roles import Role


class MemberSource(StrEnum):
    """Who decided the membership."""

    DIRECT = "direct"  # somebody here let them in; counts always
    # What one did as a member of the owning organization, such as creating the workspace: counts
    # only while the credential speaks for that organization, so leaving it ends it.
    ORGANIZATION = "organization"
    CLERK = "clerk"  # the Clerk organization's own role, as the token in hand reports it


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one workspace, for good or until ``expires_at``."""

    workspace_id: str
    user_id: str
    role: Role
    source: MemberSource
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether the time it was given for has passed, from that very instant on."""
        return self.expires_at is not None and now >= self.expires_at
