"""Which store of bytes the settings ask for."""

from typing import TypeAlias

from doorward.server.settings import Settings
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.local import LocalBlobs
from doorward.server.store.blobs.remote import Objects, RemoteBlobs
from doorward.server.uploads.ports import PartStore

Blobs: TypeAlias = LocalBlobs | RemoteBlobs


def open_blobs(settings: Settings) -> Blobs:
    """Give the store; nothing is asked of it yet. Raises SettingsInvalid."""
    local = LocalBlobs(settings.blobs, durable=settings.durable)
    if settings.remote is None:
        return local
    return RemoteBlobs(local, _objects(settings.remote))


def parts_of(blobs: Blobs) -> PartStore | None:
    """Give what takes parts from clients, None where the store takes none."""
    return blobs.objects.parts if isinstance(blobs, RemoteBlobs) else None


def _objects(storage: RemoteStorage) -> Objects:
    # Each brings a library that only its own users should wait for at a start.
    if storage.scheme == "fastio":
        from doorward.server.store.blobs.fastio import FastioObjects

        return FastioObjects(storage)
    from doorward.server.store.blobs.cloud import open_cloud

    return open_cloud(storage)
