"""What can be found wrong, and the values it is found in."""

from dataclasses import dataclass
from enum import StrEnum

STAGED = "staged:"
"""Before a blob's key: its copy on the local disk, where blobs are kept elsewhere."""


class Fault(StrEnum):
    """What is wrong; the words are what operators read and scripts decide by."""

    ORPHAN_BLOB = "orphan_blob"
    ORPHAN_PARTS = "orphan_parts"
    MISSING_BLOB = "missing_blob"
    WRONG_SIZE = "wrong_size"
    FLIPPED_BITS = "flipped_bits"
    DAMAGED_BLOB = "damaged_blob"
    DOOMED_BUT_NAMED = "doomed_but_named"
    USED_BYTES = "used_bytes"
    RESERVED_BYTES = "reserved_bytes"
    VERSION_NUMBERS = "version_numbers"
    UPLOAD_STATE = "upload_state"
    UPLOAD_BYTES = "upload_bytes"
    NAME_BROKEN = "name_broken"
    TREE_BROKEN = "tree_broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``repaired`` says what was done about it, None for nothing.

    ``subject`` is the id of a workspace, file or upload, or the key of a blob.
    """

    fault: Fault
    subject: str
    detail: str
    workspace_id: str | None = None
    repaired: str | None = None


@dataclass(frozen=True, slots=True)
class NamedBlob:
    """What versions say of a blob."""

    key: str
    workspace_id: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob as it lies in the store; ``modified_at`` in seconds since 1970, at the latest.

    ``whole`` is false of what was begun in parts and never became an object; ``remote`` is true of
    what lies in a store that others may use too.
    """

    key: str
    size: int
    modified_at: float
    whole: bool = True
    remote: bool = False


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """What an upload that nobody is sending says of its bytes."""

    id: str
    workspace_id: str
    blob_key: str
    received_bytes: int


@dataclass(frozen=True, slots=True)
class PlacedName:
    """A node's name."""

    file_id: str
    workspace_id: str
    name: str
