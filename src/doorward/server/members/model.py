"""A person's place in a workspace."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.permission.roles import Role


class MemberSource(StrEnum):
    """Who decided the membership."""

    DIRECT = "direct"  # somebody here
    CLERK = "clerk"  # the Clerk organization, as tokens report it


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one workspace."""

    workspace_id: str
    user_id: str
    role: Role
    source: MemberSource
    created_at: datetime
    updated_at: datetime
