"""Imports: uploads whose bytes the server fetches itself, from an address that a caller names."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, unquote_to_bytes

from doorward.server.files.model import OnConflict
from doorward.server.names import checked_name
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import Json, NameInvalid
from doorward.server.uploads.model import (
    MEDIA_TYPE_PATTERN,
    OCTETS,
    Limits,
    NewUpload,
    Upload,
    UploadStatus,
)
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.service import close_upload, create_upload
from doorward.server.workspaces.service import enter

NAME_DEFAULT = "download"
_MEDIA_TYPE = re.compile(MEDIA_TYPE_PATTERN)
_MEDIA_TYPE_CHARACTERS_MAX = 255
# RFC 6266: the exact form is to win over the plain one, which old clients take.
_EXACT_NAME = re.compile(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r'filename\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s"]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NewImport:
    """What a caller wants fetched; what is None is learned from the answer."""

    url: str
    name: str | None = None
    parent_id: str | None = None
    content_type: str | None = None
    checksum: str | None = None
    metadata: dict[str, Json] = field(default_factory=dict)
    on_conflict: OnConflict = OnConflict.RENAME
    size_max: int | None = None

    def declared(
        self, size: int | None, path: str, disposition: str | None, content_type: str | None
    ) -> NewUpload:
        """Give the declaration that the head of an answer makes of this."""
        return NewUpload(
            name=self.name or name_of(path, disposition),
            size=size,
            parent_id=self.parent_id,
            content_type=self.content_type or media_type_of(content_type),
            checksum=self.checksum,
            metadata=self.metadata,
            on_conflict=self.on_conflict,
            size_max=self.size_max,
        )


def require_import(tx: UploadTx, who: Caller, workspace_id: str) -> None:
    """Judge a caller before anything is asked for; raises WorkspaceNotFound, PermissionDenied."""
    enter(tx, who, Action.UPLOAD_IMPORT, workspace_id)


def begin_import(
    tx: UploadTx, who: Caller, workspace_id: str, new: NewUpload, limits: Limits, origin: str
) -> Upload:
    """Declare an upload that the server holds itself, from ``origin``.

    Raises what ``create_upload`` does.
    """
    details: dict[str, Json] = {"origin": origin}
    upload = create_upload(
        tx, who, workspace_id, new, limits, action=Action.UPLOAD_IMPORT, details=details
    )
    return _held(tx, upload)


def keep_import(tx: UploadTx, upload_id: str) -> Upload | None:
    """Hold an import that was cut until it is tried again; None where it is not ours any more."""
    upload = tx.uploads.get(upload_id)
    return _held(tx, upload) if upload is not None and _is_ours(upload) else None


def fail_import(tx: UploadTx, upload_id: str, failure: str) -> None:
    """End an import that will not be tried again, unless a person sends its bytes by now."""
    upload = tx.uploads.get(upload_id)
    if upload is not None and _is_ours(upload):
        close_upload(tx, upload, UploadStatus.FAILED, failure)


def name_of(path: str, disposition: str | None) -> str:
    """Give the name that an answer has for its bytes: the first that is a safe one.

    Of a name with folders the last part counts.
    """
    for name in _names(path, disposition):
        with suppress(NameInvalid):
            return checked_name(re.split(r"[/\\]", name)[-1])
    return NAME_DEFAULT


def media_type_of(header: str | None) -> str:
    """Give the type that an answer declares, where that is one."""
    header = (header or "")[: _MEDIA_TYPE_CHARACTERS_MAX + 1]
    if len(header) <= _MEDIA_TYPE_CHARACTERS_MAX and _MEDIA_TYPE.fullmatch(header):
        return header
    return OCTETS


def _names(path: str, disposition: str | None) -> Iterator[str]:
    if disposition is not None:
        if exact := _EXACT_NAME.search(disposition):
            yield unquote_to_bytes(exact[2]).decode(exact[1], errors="replace")
        if plain := _PLAIN_NAME.search(disposition):
            yield re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]
    yield unquote(path.split("?", 1)[0].rsplit("/", 1)[-1])


def _is_ours(upload: Upload) -> bool:
    return upload.status.open and (upload.holder is None or upload.imported)


def _held(tx: UploadTx, upload: Upload) -> Upload:
    held = replace(upload, status=UploadStatus.RECEIVING, holder=tx.new_id(Upload.IMPORT))
    tx.uploads.put(held)
    return held
