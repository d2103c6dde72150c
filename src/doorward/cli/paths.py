"""Where things are on a server, as people write it: ``WORKSPACE:/folder/file``."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from doorward.client.aio import AsyncDoorward
from doorward.client.errors import DoorwardError, NotFound
from doorward.client.model import File, Workspace


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A workspace (empty: your own home) and a path in it, its parts in order."""

    workspace: str
    parts: tuple[str, ...]
    is_folder: bool = False

    def __str__(self) -> str:
        return f"{self.workspace}:/{'/'.join(self.parts)}"


class NotRemote(ValueError):
    """A path without a colon, which names something here and not on a server."""


def parse_remote(text: str) -> RemotePath:
    """Read ``WORKSPACE:/path``; an empty workspace is your home. Raises NotRemote."""
    workspace, colon, path = text.partition(":")
    if not colon or "/" in workspace:
        raise NotRemote(
            f"{text!r} names nothing on a server: write WORKSPACE:/path, or :/path for your home."
        )
    parts = tuple(part for part in path.split("/") if part)
    return RemotePath(workspace, parts, is_folder=path.endswith("/") or not parts)


async def find_workspace(server: AsyncDoorward, name: str) -> Workspace:
    """Find a workspace by id or name, your home for an empty one.

    Raises NotFound, and DoorwardError for a name that several have.
    """
    if name.startswith("ws_"):
        return await server.workspace(name)
    found = [one async for one in server.workspaces() if _is_named(one, name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(404, "workspace_not_found", f"You are in no workspace named {name!r}.")
    ids = ", ".join(one.id for one in found)
    raise DoorwardError(
        0, "workspace_ambiguous", f"Several workspaces are named {name!r}: use an id of {ids}."
    )


def _is_named(workspace: Workspace, name: str) -> bool:
    if not name:
        return workspace.home and workspace.organization_id is None
    return workspace.name == name


async def find(server: AsyncDoorward, workspace_id: str, path: RemotePath) -> File | None:
    """Find what a path names, None for the root; raises NotFound."""
    here: File | None = None
    for part in path.parts:
        here = await server.child(workspace_id, here.id if here else None, part)
        if here is None:
            raise NotFound(404, "file_not_found", f"{path} is not there (no {part!r}).")
    return here


async def ensure_folder(
    server: AsyncDoorward, workspace_id: str, parts: tuple[str, ...], parent_id: str | None = None
) -> str | None:
    """Find or make a folder; gives its id, None for the root."""
    for part in parts:
        folder = await server.create_folder(workspace_id, part, parent_id, exist_ok=True)
        parent_id = folder.id
    return parent_id


async def walk(
    server: AsyncDoorward, workspace_id: str, folder: File | None, below: tuple[str, ...] = ()
) -> AsyncIterator[tuple[tuple[str, ...], File]]:
    """Give everything under a folder with its path below it, folders before what is in them."""
    async for node in server.files(workspace_id, folder.id if folder else None):
        here = (*below, node.name)
        yield here, node
        if node.is_folder:
            async for found in walk(server, workspace_id, node, here):
                yield found
