"""What is wrong in rows is mended by rows that are right: one fault, one transaction.

Each mending looks again first, since the server may have changed what was found.
"""

import unicodedata
from dataclasses import replace

from doorward.server.files.model import OnConflict
from doorward.server.files.naming import place_name
from doorward.server.integrity.model import Fault, Finding, NamedBlob, OpenUpload
from doorward.server.integrity.ports import IntegrityTx
from doorward.server.names import checked_name
from doorward.server.problems import NameInvalid

_UNSAFE = frozenset("/\\")
_CHANGED = "changed meanwhile"


def is_broken(name: str) -> bool:
    """Say whether a name is one that nobody could give."""
    try:
        return checked_name(name) != name
    except NameInvalid:
        return True


def mend(tx: IntegrityTx, found: Finding) -> str | None:
    """Mend a fault in rows; says what was done, None where nothing can be."""
    match found.fault:
        case Fault.USED_BYTES | Fault.RESERVED_BYTES:
            tx.integrity.recount(found.subject)
            return "counted anew"
        case Fault.DOOMED_BUT_NAMED:
            tx.contents.keep(found.subject)
            return "kept"
        case Fault.VERSION_NUMBERS:
            return "numbered anew" if tx.integrity.renumber(found.subject) else None
        case Fault.UPLOAD_STATE:
            is_wrong = tx.integrity.is_contradictory(found.subject)
            return (
                _end_upload(tx, found.subject, found.workspace_id or "") if is_wrong else _CHANGED
            )
        case Fault.NAME_BROKEN | Fault.TREE_BROKEN:
            return _place_anew(tx, found)
        case _:
            return None


def mend_waiting(tx: IntegrityTx, upload: OpenUpload) -> str:
    """End an upload whose acknowledged bytes are gone; says what was done.

    Bytes that came since were stored by a request that looked at what is there.
    """
    if not tx.integrity.is_waiting(upload):
        return _CHANGED
    return _end_upload(tx, upload.id, upload.workspace_id)


def mend_blob(tx: IntegrityTx, blob: NamedBlob, sound: str | None, reason: Fault) -> str | None:
    """Put an identical blob in the place of a bad one, or mark it as damaged.

    A damaged blob is never served; its bytes stay for whoever wants to save something.
    """
    if not tx.integrity.is_named(blob.key):
        return "gone meanwhile"
    if sound is not None and tx.integrity.is_named(sound):
        tx.contents.replace(blob.key, sound)
        tx.blobs.doom(blob.key)
        return "restored from an identical copy"
    tx.integrity.damage(blob.key, reason.value)
    return None


def _end_upload(tx: IntegrityTx, upload_id: str, workspace_id: str) -> str:
    tx.integrity.end_upload(upload_id)
    tx.integrity.recount(workspace_id)
    return "ended; it has to be sent again"


def _place_anew(tx: IntegrityTx, found: Finding) -> str | None:
    node = tx.files.get(found.workspace_id or "", found.subject)
    if node is None:
        return "gone meanwhile"
    name = safe_name(node.name) if is_broken(node.name) else node.name
    parent_id = None if found.fault is Fault.TREE_BROKEN else node.parent_id
    if node.deleted_at is None:
        name = place_name(tx, node.workspace_id, parent_id, name, OnConflict.RENAME)
    tx.files.place(replace(node, name=name, parent_id=parent_id, updated_at=tx.now))
    return f"is now {name!r}" + (" at the root" if parent_id is None else "")


def safe_name(name: str) -> str:
    """Give the nearest name that breaks no rule."""
    normal = unicodedata.normalize("NFC", name.encode(errors="replace").decode())
    kept = [char if _is_plain(char) else "_" for char in normal]
    short = "".join(kept).strip(" .").encode()[:200].decode(errors="ignore").strip(" .")
    return short if short and not is_broken(short) else f"_{short}"


def _is_plain(char: str) -> bool:
    return (char not in _UNSAFE and unicodedata.category(char)[0] not in {"C", "Z"}) or char == " "
