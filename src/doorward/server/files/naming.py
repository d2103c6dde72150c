"""Where a name is taken: another one, the place of the old, or a refusal."""

from collections.abc import Iterable

from doorward.server.files.model import OnConflict
from doorward.server.files.ports import FileTx
from doorward.server.names import NAME_BYTES_MAX
from doorward.server.problems import NameTaken
from doorward.server.workspaces.policy import NameSet, Policy

_TRIES_PER_QUERY = 50
_TRIES_MAX = 10_000
_MARK = " ({})"
_PORTABLE_MARK = "-{}"


def place_name(
    tx: FileTx,
    workspace_id: str,
    parent_id: str | None,
    name: str,
    on_conflict: OnConflict,
    policies: Iterable[Policy] = (),
) -> str:
    """Give a name that is free in the folder: the one asked for, or one with a number.

    The number is written as the policies let names be. Raises NameTaken when the caller did not
    ask for a rename, and where no name with a number is short enough.
    """
    if not tx.files.taken(workspace_id, parent_id, [name]):
        return name
    if on_conflict is not OnConflict.RENAME:
        raise NameTaken
    mark, bytes_max = _numbering(tuple(policies))
    for first in range(2, _TRIES_MAX, _TRIES_PER_QUERY):
        several = range(first, first + _TRIES_PER_QUERY)
        tries = [numbered(name, n, mark=mark, bytes_max=bytes_max) for n in several]
        tries = [one for one in tries if one[0] == name[0] and len(one.encode()) <= bytes_max]
        if not tries:
            break
        taken = tx.files.taken(workspace_id, parent_id, tries)
        free = next((candidate for candidate in tries if candidate not in taken), None)
        if free is not None:
            return free
    raise NameTaken


def numbered(name: str, number: int, *, mark: str = _MARK, bytes_max: int = NAME_BYTES_MAX) -> str:
    """Put a number before the extension, within the bound on names: ``plan (2).pdf``.

    Where there is no room, nothing of the name is left before the number.
    """
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    shown = mark.format(number)
    tail = f"{shown}{dot}{extension}"
    room = bytes_max - len(tail.encode())
    if room < 1:  # an extension as long as a name: number the whole instead
        stem, tail = name, shown
        room = max(0, bytes_max - len(tail.encode()))
    return stem.encode()[:room].decode(errors="ignore") + tail


def _numbering(policies: tuple[Policy, ...]) -> tuple[str, int]:
    """Say how a number is written, and how long the whole may be."""
    portable = any(policy.names is NameSet.PORTABLE for policy in policies)
    bounds = [one.name_bytes_max for one in policies if one.name_bytes_max is not None]
    return _PORTABLE_MARK if portable else _MARK, min([NAME_BYTES_MAX, *bounds])
