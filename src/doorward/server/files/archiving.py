"""What an archive of a folder holds, under names that are safe to extract anywhere."""

from dataclasses import dataclass
from datetime import datetime

from doorward.server.files.model import Content, Kind, Node
from doorward.server.files.naming import numbered
from doorward.server.files.ports import FileTx
from doorward.server.files.service import find
from doorward.server.names import checked_name
from doorward.server.paging import PAGE_SIZE_MAX, Page, listed
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.problems import FileNotFound, FolderTooLarge, NameInvalid, NotAFolder

ENTRIES_MAX = 10_000
# Windows has these in no name; a folder called "C:" would even lead out of where it is unpacked.
_TO_PLAIN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an archive; ``content`` is None for a folder, whose path ends with a slash."""

    path: str
    changed_at: datetime
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder with all that lives in it at one moment."""

    folder: Node
    entries: list[Entry]


def open_folder(tx: FileTx, who: Caller, folder_id: str) -> Archive:
    """Give what an archive of a folder holds.

    Raises FileNotFound, PermissionDenied, NotAFolder, FolderTooLarge.
    """
    folder = find(tx, who, Action.FILE_DOWNLOAD, folder_id)
    return opened_folder(tx, folder.workspace_id, folder.id)


def opened_folder(tx: FileTx, workspace_id: str, folder_id: str) -> Archive:
    """Give what an archive of a live folder holds, to whoever was judged already.

    Raises FileNotFound, NotAFolder, FolderTooLarge.
    """
    folder = tx.files.get(workspace_id, folder_id)
    if folder is None or folder.deleted_at is not None:
        raise FileNotFound
    if folder.kind is not Kind.FOLDER:
        raise NotAFolder
    entries = [Entry(f"{_safe(folder.name)}/", folder.updated_at)]
    waiting = [(folder.id, entries[0].path)]
    while waiting:
        parent_id, path = waiting.pop()
        names = _Names()
        for node in _children(tx, workspace_id, parent_id, ENTRIES_MAX - len(entries)):
            entry = _entry(node, path + names.take(_safe(node.name)))
            entries.append(entry)
            if node.kind is Kind.FOLDER:
                waiting.append((node.id, entry.path))
    return Archive(folder, entries)


def _children(tx: FileTx, workspace_id: str, parent_id: str, most: int) -> list[Node]:
    """List a folder; raises FolderTooLarge rather than read more than an archive may hold."""
    found: list[Node] = []
    after: tuple[str, ...] | None = None
    while True:
        page = Page(PAGE_SIZE_MAX, after)
        rows = listed(tx.files.page(workspace_id, parent_id, page), page, lambda n: (n.name, n.id))
        found += rows.rows
        if len(found) > most:
            raise FolderTooLarge(f"An archive holds at most {ENTRIES_MAX} files and folders.")
        if rows.next_cursor is None:
            return found
        after = (found[-1].name, found[-1].id)


def _entry(node: Node, path: str) -> Entry:
    if node.kind is Kind.FOLDER:
        return Entry(f"{path}/", node.updated_at)
    return Entry(path, node.updated_at, node.content)


def _safe(name: str) -> str:
    """Give the name as every system can unpack it, or one that says nothing where none can."""
    try:
        return checked_name(name.translate(_TO_PLAIN))
    except NameInvalid:
        return "unnamed"


class _Names:
    """The names in one folder, numbered where some systems, which know no case, see one twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        """Give the name, or one with a number; numbering goes on where it was for the same name."""
        key, candidate = name.casefold(), name
        while candidate.casefold() in self._taken:
            number = self._next.get(key, 2)
            candidate, self._next[key] = numbered(name, number), number + 1
        self._taken.add(candidate.casefold())
        return candidate
