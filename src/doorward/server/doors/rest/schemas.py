"""What goes over the wire of the REST door; the subjects' own values never do."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from doorward.server.audit.model import AuditEntry
from doorward.server.doors.rest.policies import PolicyIn, PolicyOut
from doorward.server.doors.transfer.direct import Part
from doorward.server.events.model import Event
from doorward.server.files.model import Node, OnConflict, Version
from doorward.server.links.urls import UrlSigner
from doorward.server.members.model import Member
from doorward.server.permission.caller import Caller
from doorward.server.permission.roles import Role
from doorward.server.uploads.importing import NewImport
from doorward.server.uploads.model import MEDIA_TYPE_PATTERN, NewUpload, Upload
from doorward.server.workspaces.model import Standing

T = TypeVar("T")

# Longer than any name that is allowed, so that the rule about names gives the reason.
NameText = Annotated[str, StringConstraints(max_length=1024)]
IdText = Annotated[str, StringConstraints(min_length=1, max_length=80)]
UserId = Annotated[str, StringConstraints(pattern=r"^user_[A-Za-z0-9_]{1,64}$")]
MediaType = Annotated[
    str,
    StringConstraints(
        max_length=255,
        pattern=MEDIA_TYPE_PATTERN,
    ),
]
Checksum = Annotated[str, StringConstraints(pattern=r"^(sha256|blake3):[0-9a-f]{64}$")]
_SENT_HERE, _DIRECT = ["put", "tus", "ietf"], ["s3-multipart"]
METADATA_KEYS_MAX = 64
METADATA_BYTES_MAX = 16 * 1024


def _storable(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse what could be taken and then not be shown again: half characters, NaN, too much."""
    try:
        encoded = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:
        raise ValueError("metadata must be JSON with whole characters and finite numbers") from exc
    if len(encoded) > METADATA_BYTES_MAX:
        raise ValueError(f"metadata may have at most {METADATA_BYTES_MAX} bytes of JSON")
    return metadata


Metadata = Annotated[
    dict[IdText, JsonValue], Field(max_length=METADATA_KEYS_MAX), AfterValidator(_storable)
]


class In(BaseModel):
    """A request body: unknown members are refused, so that a typo is not ignored."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class ListOut(Out, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page.")


class OrganizationOut(Out):
    """The organization that the credential speaks for."""

    id: str
    role: Role | None


class CredentialOut(Out):
    """The kind and id of what was presented."""

    type: str
    id: str | None


class MeOut(Out):
    """The verified caller."""

    user_id: str
    organization: OrganizationOut | None
    credential: CredentialOut
    scopes: list[str]

    @classmethod
    def of(cls, who: Caller) -> "MeOut":
        """Present a caller."""
        organization = None
        if who.organization_id is not None:
            organization = OrganizationOut(id=who.organization_id, role=who.organization_role)
        return cls(
            user_id=who.user_id,
            organization=organization,
            credential=CredentialOut(type=who.credential.kind, id=who.credential.id),
            scopes=sorted(who.scopes),
        )


class WorkspaceIn(In):
    """A workspace to create."""

    name: NameText


class WorkspaceChangeIn(In):
    """What to change of a workspace: leave out what stays; a ``policy`` replaces the old whole."""

    name: NameText | None = None
    policy: PolicyIn | None = None


class WorkspaceOut(Out):
    """A workspace as the caller stands to it; sizes in bytes."""

    id: str
    name: str
    organization_id: str | None
    role: Role | None
    home: bool = Field(description="Whether this is a person's or organization's home workspace.")
    used_bytes: int
    quota_bytes: int
    created_at: datetime
    policy: PolicyOut

    @classmethod
    def of(cls, standing: Standing) -> "WorkspaceOut":
        """Present a workspace."""
        workspace = standing.workspace
        return cls(
            id=workspace.id,
            name=workspace.name,
            organization_id=workspace.organization_id,
            role=standing.role,
            home=workspace.home_of is not None,
            used_bytes=workspace.used_bytes,
            quota_bytes=workspace.quota_bytes,
            created_at=workspace.created_at,
            policy=PolicyOut.of(workspace.policy),
        )


class MemberIn(In):
    """A person to let in."""

    user_id: UserId
    role: Role


class RoleIn(In):
    """A person's new role."""

    role: Role


class MemberOut(Out):
    """A person in a workspace; ``source`` is ``clerk`` where the organization decides."""

    user_id: str
    role: Role
    source: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = Field(description="From when on it counts no more.")

    @classmethod
    def of(cls, member: Member) -> "MemberOut":
        """Present a member."""
        return cls(
            user_id=member.user_id,
            role=member.role,
            source=member.source.value,
            created_at=member.created_at,
            updated_at=member.updated_at,
            expires_at=member.expires_at,
        )


class FolderIn(In):
    """A folder to create; ``exist_ok`` gives an existing one of that name instead of 409."""

    name: NameText
    parent_id: IdText | None = None
    exist_ok: bool = False


class FileIn(In):
    """What to change of a file or folder: leave out what stays; ``parent_id: null`` is the root."""

    name: NameText | None = None
    parent_id: IdText | None = None
    on_conflict: Literal[OnConflict.ERROR, OnConflict.RENAME] = OnConflict.ERROR


class RestoreIn(In):
    """Where to restore to from the bin, or which version to make current again."""

    parent_id: IdText | None = None
    version_id: IdText | None = None


class FileOut(Out):
    """A file or folder; ``size`` in bytes, None for a folder."""

    id: str
    workspace_id: str
    parent_id: str | None
    name: str
    kind: str
    size: int | None
    content_type: str | None
    digest: str | None = Field(description="Of the content: `blake3:…`.")
    sha256: str | None = Field(description="`sha256:…` where the uploader declared it.")
    version_id: str | None
    version: int
    metadata: dict[str, JsonValue]
    created_by: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, node: Node) -> "FileOut":
        """Present a file or folder."""
        content = node.content
        return cls(
            id=node.id,
            workspace_id=node.workspace_id,
            parent_id=node.parent_id,
            name=node.name,
            kind=node.kind.value,
            size=content.size if content else None,
            content_type=content.content_type if content else None,
            digest=content.digest if content else None,
            sha256=content.sha256 if content else None,
            version_id=node.version_id,
            version=node.version,
            metadata=dict(node.metadata or {}),
            created_by=node.created_by,
            created_at=node.created_at,
            updated_at=node.updated_at,
            deleted_at=node.deleted_at,
        )


class VersionOut(Out):
    """One content that a file had."""

    id: str
    number: int
    size: int
    content_type: str
    digest: str
    sha256: str | None
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, version: Version) -> "VersionOut":
        """Present a version."""
        content = version.content
        return cls(
            id=version.id,
            number=version.number,
            size=content.size,
            content_type=content.content_type,
            digest=content.digest,
            sha256=content.sha256,
            created_by=version.created_by,
            created_at=version.created_at,
        )


class UploadIn(In):
    """A file to come; ``size`` in bytes, ``checksum`` as ``sha256:…`` or ``blake3:…``."""

    name: NameText
    size: int | None = Field(
        default=None, ge=0, le=1 << 50, description="None where it is not known yet."
    )
    size_max: int | None = Field(
        default=None, ge=0, le=1 << 50, description="More than this is never taken."
    )
    parent_id: IdText | None = None
    content_type: MediaType = "application/octet-stream"
    checksum: Checksum | None = None
    metadata: Metadata = {}
    on_conflict: OnConflict = OnConflict.RENAME
    if_version_id: IdText | None = Field(
        default=None, description="With `on_conflict` `replace`: replace this version alone."
    )
    direct: bool = Field(
        default=False, description="Send the bytes straight to the store, in parts."
    )

    def declared(self) -> NewUpload:
        """Give the declaration as the service takes it."""
        return NewUpload(**{name: getattr(self, name) for name in type(self).model_fields})


class ImportIn(In):
    """An address to fetch; what is left out is learned from its answer."""

    url: Annotated[str, StringConstraints(max_length=4096)]
    name: NameText | None = None
    parent_id: IdText | None = None
    content_type: MediaType | None = None
    checksum: Checksum | None = None
    metadata: Metadata = {}
    on_conflict: OnConflict = OnConflict.RENAME
    size_max: int | None = Field(
        default=None, ge=0, le=1 << 50, description="More than this is never taken."
    )

    def wanted(self) -> NewImport:
        """Give it as the service takes it."""
        return NewImport(**{name: getattr(self, name) for name in type(self).model_fields})


class PartOut(Out):
    """A part of a direct upload; ``url`` takes its ``size`` bytes by ``PUT``."""

    number: int
    url: str
    size: int


class PartIn(In):
    """A part that is stored, with the `ETag` that the store answered."""

    number: int = Field(ge=1, le=10_000)
    etag: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class PartsIn(In):
    """Every part of a direct upload, in order."""

    parts: list[PartIn] = Field(min_length=1, max_length=10_000)


class UploadOut(Out):
    """An upload; ``url`` takes the bytes until ``expires_at``, None once it is closed.

    Its ``size`` is null until it is known, and never more than ``size_max``. The bytes of a direct
    one go to the URLs of its ``parts``, which live as long.
    """

    id: str
    workspace_id: str
    parent_id: str | None
    name: str
    size: int | None
    size_max: int
    content_type: str
    url: str | None
    method: str = "PUT"
    protocols: list[str]
    expires_at: datetime
    status: str
    received_bytes: int
    failure: str | None
    file: FileOut | None
    parts: list[PartOut] | None = None

    @classmethod
    def of(
        cls,
        upload: Upload,
        signer: UrlSigner | None,
        file: Node | None = None,
        parts: list[Part] | None = None,
    ) -> "UploadOut":
        """Present an upload, with its signed URL while it takes bytes and ``signer`` is given."""
        declared = upload.declared
        url = None
        takes = upload.status.open and not declared.direct
        if signer is not None and takes and upload.link_id is not None:
            url = signer.upload_url(upload.id, upload.link_id, upload.url_expires_at)
        return cls(
            id=upload.id,
            workspace_id=upload.workspace_id,
            parent_id=declared.parent_id,
            name=declared.name,
            size=upload.size,
            size_max=upload.size_max,
            content_type=declared.content_type,
            url=url,
            protocols=_DIRECT if declared.direct else _SENT_HERE,
            parts=[PartOut(**asdict(part)) for part in parts] if parts else None,
            expires_at=upload.url_expires_at,
            status=upload.status.value,
            received_bytes=upload.received_bytes,
            failure=upload.failure,
            file=FileOut.of(file) if file else None,
        )


class ActorOut(Out):
    """Who or what, by kind and id."""

    type: str
    id: str | None


class ResourceOut(Out):
    """What was asked about."""

    type: str | None
    id: str | None
    name: str | None


class EventOut(Out):
    """One fact about a workspace; ``data`` says what it is about."""

    id: str
    time: datetime
    type: str
    workspace_id: str
    subject_id: str
    data: dict[str, JsonValue]

    @classmethod
    def of(cls, event: Event) -> "EventOut":
        """Present an event."""
        return cls(
            id=event.id,
            time=event.time,
            type=event.type.value,
            workspace_id=event.workspace_id,
            subject_id=event.subject_id,
            data=dict(event.data),
        )


class AuditOut(Out):
    """One attempt and what came of it."""

    id: str
    time: datetime
    action: str
    outcome: str
    reason: str | None
    actor: ActorOut
    credential: ActorOut | None
    on_behalf_of: str | None
    workspace_id: str | None
    resource: ResourceOut
    address: str | None
    agent: str | None
    request_id: str | None
    details: dict[str, JsonValue]
    chain: str
    position: int | None
    hash: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditOut":
        """Present an entry."""
        credential = None
        if entry.credential_type is not None:
            credential = ActorOut(type=entry.credential_type, id=entry.credential_id)
        return cls(
            id=entry.id,
            time=entry.time,
            action=entry.action,
            outcome=entry.outcome.value,
            reason=entry.reason,
            actor=ActorOut(type=entry.actor_type, id=entry.actor_id),
            credential=credential,
            on_behalf_of=entry.on_behalf_of,
            workspace_id=entry.workspace_id,
            resource=ResourceOut(
                type=entry.resource_type, id=entry.resource_id, name=entry.resource_name
            ),
            address=entry.address,
            agent=entry.agent,
            request_id=entry.request_id,
            details=dict(entry.details),
            chain=entry.chain,
            position=entry.position,
            hash=entry.hash,
        )
