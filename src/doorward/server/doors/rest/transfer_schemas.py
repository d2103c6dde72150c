"""What goes over the wire of hand-overs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from doorward.server.doors.rest.schemas import IdText, In, Out, UserId
from doorward.server.permission.roles import Role
from doorward.server.transfers.model import STAY, Terms, Transfer
from doorward.server.transfers.previewing import Acting, Preview

EXPIRES_IN_DEFAULT = 259_200
_SECONDS_MAX = 3_153_600_000
_IDS_SHOWN_MAX = 100
NONE = "none"
Destination = Annotated[
    str,
    StringConstraints(pattern=r"^(stay|claimer|personal|org_[A-Za-z0-9_]{1,64})$"),
    Field(
        description="Where the workspace goes: `stay` where it is, to the `claimer`'s "
        "organization, out of any (`personal`), or into the organization of this id, for which "
        "the claimer must speak."
    ),
]


class OfferIn(In):
    """What is offered, to whom, and what the offerer keeps."""

    to_user_id: UserId | None = Field(default=None, description="None: whoever has the link.")
    organization: Destination = STAY
    keeps: Literal["admin", "editor", "viewer", "none"] = "admin"
    keeps_for: int | None = Field(
        default=None, ge=1, le=_SECONDS_MAX, description="Seconds from the claim; None for good."
    )
    expires_in: int | None = Field(default=None, ge=1, description="The offer's life in seconds.")

    @model_validator(mode="after")
    def _keeps_something(self) -> "OfferIn":
        if self.keeps == NONE and self.keeps_for is not None:
            raise ValueError("keeps_for is for a role that is kept")
        return self

    def terms(self) -> Terms:
        """Give it as the service takes it."""
        keeps = None if self.keeps == NONE else Role(self.keeps)
        return Terms(self.to_user_id, self.organization, keeps, self.keeps_for)


class ClaimIn(In):
    """Which preview was looked at; without it whatever was offered is claimed."""

    preview_id: IdText | None = None


class OrganizationChange(Out):
    """The organization before and after; ``by_claimer`` where it is theirs, unknown until then."""

    before: str | None
    after: str | None
    by_claimer: bool


class RoleChangeOut(Out):
    """One person's role before and after, None for nobody's; ``expires_at`` of the one after."""

    user_id: str
    before: Role | None
    after: Role | None
    expires_at: datetime | None


class ActingOut(Out):
    """How many work, and how many of those stop: whoever they act for loses the role."""

    live: int
    stopping: int
    stopping_ids: list[str] = Field(description=f"The first {_IDS_SHOWN_MAX}.")

    @classmethod
    def of(cls, acting: Acting) -> "ActingOut":
        """Present a count."""
        shown = list(acting.stopping[:_IDS_SHOWN_MAX])
        return cls(live=acting.live, stopping=len(acting.stopping), stopping_ids=shown)


class PreviewOut(Out):
    """What claiming changes; quote ``preview_id`` in a claim to get this and nothing else."""

    preview_id: str
    workspace_id: str
    workspace_name: str
    offered_by: str
    owner_id: str | None = Field(description="The new owner, None for whoever claims it.")
    organization: OrganizationChange
    roles: list[RoleChangeOut] = Field(description="Everybody whose role changes or ends.")
    unchanged_members: int
    loses_sight: list[str] = Field(description="Those of `roles` who see it no more.")
    files: int
    folders: int
    binned: int
    used_bytes: int = Field(description="With the workspace, the quota that is charged.")
    reserved_bytes: int
    quota_bytes: int
    links: ActingOut
    uploads: ActingOut
    keys: ActingOut

    @classmethod
    def of(cls, preview: Preview) -> "PreviewOut":
        """Present a preview."""
        plan, holdings = preview.plan, preview.holdings
        return cls(
            preview_id=plan.id,
            workspace_id=plan.workspace.id,
            workspace_name=plan.workspace.name,
            offered_by=preview.transfer.by.user_id,
            owner_id=preview.owner_id,
            organization=OrganizationChange(
                before=plan.workspace.organization_id,
                after=plan.after.organization_id,
                by_claimer=plan.open_,
            ),
            roles=_roles(preview),
            unchanged_members=preview.unchanged_members,
            loses_sight=[one.user_id for one in preview.changes if one.after is None],
            files=holdings.files,
            folders=holdings.folders,
            binned=holdings.binned,
            used_bytes=holdings.used_bytes,
            reserved_bytes=holdings.reserved_bytes,
            quota_bytes=plan.after.quota_bytes,
            links=ActingOut.of(preview.links),
            uploads=ActingOut.of(preview.uploads),
            keys=ActingOut.of(preview.keys),
        )


class TransferOut(Out):
    """A hand-over as it stands, without its token; ``preview`` while it is offered."""

    id: str
    workspace_id: str
    state: str
    offered_by: str
    to_user_id: str | None
    organization: str
    keeps: str
    keeps_for: int | None
    offered_at: datetime
    expires_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    undo_until: datetime | None
    ended_by: str | None
    ended_at: datetime | None
    preview: PreviewOut | None = None

    @classmethod
    def of(cls, transfer: Transfer, now: datetime, preview: Preview | None = None) -> "TransferOut":
        """Present a hand-over."""
        terms = transfer.terms
        return cls(
            id=transfer.id,
            workspace_id=transfer.workspace_id,
            state=transfer.state_at(now).value,
            offered_by=transfer.by.user_id,
            to_user_id=terms.to_user_id,
            organization=terms.destination,
            keeps=NONE if terms.keeps is None else terms.keeps.value,
            keeps_for=terms.keeps_seconds,
            offered_at=transfer.offered_at,
            expires_at=transfer.expires_at,
            claimed_by=transfer.claimed_by,
            claimed_at=transfer.claimed_at,
            undo_until=transfer.undo_until,
            ended_by=transfer.ended_by,
            ended_at=transfer.ended_at,
            preview=None if preview is None else PreviewOut.of(preview),
        )


class OfferedOut(Out):
    """An offer as it is handed out; its token and URL are shown this once."""

    id: str
    token: str
    url: str
    expires_at: datetime
    preview: PreviewOut


def _roles(preview: Preview) -> list[RoleChangeOut]:
    return [
        RoleChangeOut(
            user_id=one.user_id,
            before=one.before,
            after=one.after,
            expires_at=one.after_member.expires_at if one.after_member else None,
        )
        for one in preview.changes
    ]
