"""What the files subject asks of a store; every read names the workspace or finds it by a node."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from doorward.server.events.ports import EventTx
from doorward.server.files.model import Named, Node, Purged, Version
from doorward.server.paging import Page
from doorward.server.workspaces.ports import WorkspaceTx


class FileRows(Protocol):
    """The trees of all workspaces."""

    def workspace_of(self, file_id: str) -> str | None:
        """Say which workspace a node is in, so that the way in can be asked first."""

    def get(self, workspace_id: str, file_id: str) -> Node | None:
        """Give a node, deleted or not."""

    def child(self, workspace_id: str, parent_id: str | None, name: str) -> Node | None:
        """Give the live node of that name in that folder."""

    def taken(self, workspace_id: str, parent_id: str | None, names: Collection[str]) -> set[str]:
        """Say which of the names are taken in that folder."""

    def page(self, workspace_id: str, parent_id: str | None, page: Page) -> list[Node]:
        """List live children by name and id."""

    def bin_page(self, workspace_id: str, page: Page) -> list[Node]:
        """List what was put in the bin itself (not what lay inside it), latest first."""

    def ancestors(self, workspace_id: str, file_id: str) -> list[str]:
        """Give the ids from the node itself up to the root."""

    def height(self, workspace_id: str, file_id: str) -> int:
        """Say how many levels lie under a node, 0 for a file or an empty folder."""

    def add(self, node: Node) -> None:
        """Insert a node."""

    def place(self, node: Node) -> None:
        """Store name, parent and time of an existing node."""

    def set_version(self, node: Node, version: Version) -> None:
        """Append a version and make it the file's content."""

    def bin(self, workspace_id: str, file_id: str, at: datetime, by: str) -> int:
        """Put a node and all live ones under it in the bin; gives how many."""

    def unbin(self, workspace_id: str, file_id: str) -> None:
        """Take out of the bin all that ``file_id`` took into it."""

    def count(self, workspace_id: str) -> int:
        """Say how many live files there are."""

    def count_awaited(self, workspace_id: str) -> int:
        """Say how many uploads of a workspace may still become files."""

    def taken_along(self, workspace_id: str, file_id: str) -> list[Named]:
        """List the node and all that it took into the bin."""

    def purge(self, node: Node) -> Purged:
        """Remove for good what a node took into the bin; what else lay under it moves up."""

    def purge_workspace(self, workspace_id: str) -> Purged:
        """Remove every file and folder of a workspace for good."""

    def bin_overdue(self, before: datetime, limit: int) -> list[Node]:
        """List what was itself put in the bin at that time or earlier, in any workspace."""

    def versions(self, workspace_id: str, file_id: str, page: Page) -> list[Version]:
        """List versions, newest first."""

    def version(self, workspace_id: str, file_id: str, version_id: str) -> Version | None:
        """Give one version."""


class ContentRows(Protocol):
    """What lies under which key: identical content once per workspace, and never across them."""

    def same(self, workspace_id: str, size: int, digest: str) -> str | None:
        """Give the key of sound bytes that the workspace has, those on their way out included."""

    def keep(self, key: str) -> None:
        """Take back the note that the blob may go."""

    def is_damaged(self, key: str) -> bool:
        """Say whether the bytes are known not to be what they were."""

    def replace(self, key: str, sound: str) -> None:
        """Let whatever names a blob name another one of the same content."""

    def heal(self, workspace_id: str, size: int, digest: str, key: str) -> list[str]:
        """Put a blob in the place of damaged ones that held the same; gives those it replaced."""


class FileTx(WorkspaceTx, EventTx, Protocol):
    """A transaction over files."""

    @property
    def contents(self) -> ContentRows:
        """What lies under which key."""

    @property
    def files(self) -> FileRows:
        """The trees."""
