"""Where a name is taken: another one, the place of the old, or a refusal."""

from doorward.server.files.model import OnConflict
from doorward.server.files.ports import FileTx
from doorward.server.names import NAME_BYTES_MAX
from doorward.server.problems import NameTaken

_TRIES_PER_QUERY = 50
_TRIES_MAX = 10_000


def place_name(
    tx: FileTx, workspace_id: str, parent_id: str | None, name: str, on_conflict: OnConflict
) -> str:
    """Give a name that is free in the folder: the one asked for, or one with a number.

    Raises NameTaken when the caller did not ask for a rename.
    """
    if not tx.files.taken(workspace_id, parent_id, [name]):
        return name
    if on_conflict is not OnConflict.RENAME:
        raise NameTaken
    for first in range(2, _TRIES_MAX, _TRIES_PER_QUERY):
        tries = [numbered(name, n) for n in range(first, first + _TRIES_PER_QUERY)]
        taken = tx.files.taken(workspace_id, parent_id, tries)
        free = next((candidate for candidate in tries if candidate not in taken), None)
        if free is not None:
            return free
    raise NameTaken


def numbered(name: str, number: int) -> str:
    """Put a number before the extension, within the bound on names: ``plan (2).pdf``."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    tail = f" ({number}){dot}{extension}"
    room = NAME_BYTES_MAX - len(tail.encode())
    if room < 1:  # an extension as long as a name: number the whole instead
        stem, tail = name, f" ({number})"
        room = NAME_BYTES_MAX - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail
