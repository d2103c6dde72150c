"""A workspace, and one as a caller stands to it."""

from dataclasses import dataclass
from datetime import datetime

from doorward.server.permission.roles import Role
from doorward.server.workspaces.policy import NO_POLICY, Policy


@dataclass(frozen=True, slots=True)
class Workspace:
    """The tenant boundary: every file, member and upload belongs to exactly one.

    ``home_of`` is the user or organization whose home this is, None for a further workspace.
    Of its quota ``used_bytes`` are taken by files and ``reserved_bytes`` promised to open uploads.
    """

    id: str
    name: str
    organization_id: str | None
    home_of: str | None
    created_by: str
    created_at: datetime
    used_bytes: int
    quota_bytes: int
    reserved_bytes: int = 0
    policy: Policy = NO_POLICY

    @property
    def left_bytes(self) -> int:
        """How much of the quota is neither taken nor promised."""
        return max(0, self.quota_bytes - self.used_bytes - self.reserved_bytes)


@dataclass(frozen=True, slots=True)
class Standing:
    """A workspace with the role that a caller holds in it, None for a stranger."""

    workspace: Workspace
    role: Role | None
