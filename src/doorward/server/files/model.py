"""A node of a workspace's tree, and a version of a file's content."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.problems import Json


class Kind(StrEnum):
    """What a node is."""

    FILE = "file"
    FOLDER = "folder"


class OnConflict(StrEnum):
    """What to do when a sibling has the name."""

    RENAME = "rename"
    REPLACE = "replace"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Content:
    """Immutable bytes: where they are and what they are.

    ``digest`` names its algorithm, ``blake3:…``; ``sha256`` is there when a client declared it.
    """

    blob_key: str
    size: int
    digest: str
    content_type: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A file or folder; ``content`` is None for a folder.

    ``parent_id`` is None at the root. ``bin_root_id`` is the node whose deletion put this one in
    the bin: itself, or a folder above it.
    """

    id: str
    workspace_id: str
    parent_id: str | None
    name: str
    kind: Kind
    created_by: str
    created_at: datetime
    updated_at: datetime
    version_id: str | None = None
    version: int = 0
    content: Content | None = None
    metadata: dict[str, Json] | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    bin_root_id: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One content that a file had; ``number`` counts from 1.

    ``counted_bytes`` is what it took of the quota: its size, or 0 for one that came back.
    """

    id: str
    file_id: str
    workspace_id: str
    number: int
    content: Content
    created_by: str
    created_at: datetime
    counted_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Purged:
    """What went for good: how many nodes, what that frees of the quota, and what they held."""

    nodes: int
    freed_bytes: int
    contents: list[Content]


@dataclass(frozen=True, slots=True)
class Named:
    """A node as far as its name is judged."""

    id: str
    name: str
    kind: Kind
