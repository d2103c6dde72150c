"""The data folder: made ready before any process serves it, and cleaned when nobody does."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from doorward.clerk.state.sqlite import SqliteState
from doorward.server.audit.keeping import KEY, kept_signer, make_signer
from doorward.server.audit.signing import KeyUnreadable, Signer
from doorward.server.settings import Secret, Settings, SettingsInvalid, kept_secret, make_secret
from doorward.server.store.blobs.opening import Blobs, open_blobs
from doorward.server.store.sql.migrate import migrate, require_current
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.store import SqlStore
from doorward.server.sweeper import recover


def prepare(settings: Settings) -> Settings:
    """Make folders, the secret, the trail's key and tables; gives the settings with the secret.

    Safe beside other processes that do the same. Raises OSError, NewerDatabase, SettingsInvalid.
    """
    for folder in (settings.data, settings.database.parent, settings.blobs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = settings.secret or _own_secret(settings.data)
    with _readable_key(settings):
        make_signer(settings.data)
    engine = open_engine(settings.database, durable=settings.durable)
    try:
        migrate(engine, settings.data / "migrate.lock")
    finally:
        engine.dispose()
    SqliteState(settings.revocations)  # before any process serves: none makes another in its place
    return replace(settings, secret=secret)


def trail_signer(settings: Settings) -> Signer:
    """Give the key that the trail's heads are signed with.

    Raises SettingsInvalid where it can't be read.
    """
    with _readable_key(settings):
        return kept_signer(settings.data)


@contextmanager
def _readable_key(settings: Settings) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, KeyUnreadable) as exc:
        raise SettingsInvalid(
            [f"The key of the audit trail, {settings.data / KEY}, can't be read: restore it."]
        ) from exc


class Tenancy:
    """Says who serves a data folder: many may, and whoever is alone may clean up first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file: IO[str] = (settings.data / "serve.lock").open("w")

    def enter(self) -> None:
        """Join those who serve; alone, clean up what a crash left first."""
        if self._alone():
            asyncio.run(_recover(self._settings))
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop counting as one who serves."""
        self._file.close()

    def _alone(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[SqlStore, Blobs]]:
    """Open rows and bytes of a folder that is there, beside whoever serves it.

    Raises NotMigrated, SettingsInvalid.
    """
    engine = open_engine(settings.database, durable=settings.durable)
    require_current(engine, settings.database)
    store = SqlStore(engine, _now)
    blobs = open_blobs(settings)
    try:
        yield store, blobs
    finally:
        await blobs.leave()
        store.close()
        blobs.close()


async def _recover(settings: Settings) -> None:
    async with opened(settings) as (store, blobs):
        await recover(store, blobs)


def _now() -> datetime:
    return datetime.now(UTC)


def _own_secret(folder: Path) -> Secret:
    """Make the signing secret once, whoever comes first; it is whole before it has its name."""
    new = folder / f".secret.{os.getpid()}"
    fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(make_secret())
        file.flush()
        os.fsync(fd)
    with suppress(FileExistsError):
        os.link(new, folder / "secret")
    new.unlink()
    return kept_secret(folder) or Secret()
