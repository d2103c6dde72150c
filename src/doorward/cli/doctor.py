"""``doorward doctor``: what would keep a server from running well, and what to do about it."""

import asyncio
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.cli.connection import JsonOption
from doorward.cli.output import ExitStatus, print_json
from doorward.cli.sizes import human_size

if TYPE_CHECKING:
    from doorward.server.settings import Settings

_FREE_BYTES_MIN = 1 << 30
_SYNC_SECONDS_SLOW = 0.05
_WAL_VERSION = (3, 37, 0)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: ``ok``, ``warning`` or ``failed``, and the remedy."""

    name: str
    status: str
    message: str
    remedy: str | None = None


def doctor(
    data: Annotated[Path | None, typer.Option(help="The data folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, folder, disk, database and server; changes nothing.

    Ends with 1 where something would keep the server from running.

    Example:
      doorward doctor --json
    """
    checks = list(_checks(data))
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            typer.echo(f"{check.status:<8} {check.name}: {check.message}")
            if check.remedy:
                typer.echo(f"         -> {check.remedy}")
    if any(check.status == "failed" for check in checks):
        raise SystemExit(int(ExitStatus.NOT_SO))


def _checks(data: Path | None) -> Iterator[Check]:
    from doorward.server.settings import SettingsInvalid, load_settings

    try:
        settings = load_settings(os.environ, data=data)
    except SettingsInvalid as exc:
        for mistake in exc.mistakes:
            yield Check("settings", "failed", mistake, "Correct it and run doctor again.")
        return
    yield Check("settings", "ok", f"data in {settings.data}, public at {settings.public_url}")
    yield _sign_in(settings)
    yield _revocation(settings)
    looks: tuple[Callable[[Settings], Check], ...] = (_folder, _space, _sync, _storage, _server)
    for look in looks:
        yield look(settings)
    yield _sqlite()


def _sign_in(settings: "Settings") -> Check:
    if settings.standin:
        return Check(
            "sign-in",
            "warning",
            "the local stand-in signs people in: for development on this machine only",
            "Set CLERK_SECRET_KEY (Clerk dashboard, API keys) to use Clerk.",
        )
    if not settings.clerk.authorized_parties:
        return Check(
            "sign-in",
            "warning",
            "Clerk signs people in, from any origin of your Clerk instance",
            "Set CLERK_AUTHORIZED_PARTIES to your front ends' origins.",
        )
    return Check("sign-in", "ok", "Clerk signs people in, from the authorized parties")


def _revocation(settings: "Settings") -> Check:
    if settings.standin or settings.clerk.webhook_secret is not None:
        return Check("revocation", "ok", "what ends at sign-in ends here at once")
    return Check(
        "revocation",
        "warning",
        "nobody tells what ends at Clerk: links and upload URLs outlive the session",
        "Point a webhook of Clerk's at /webhooks/clerk, and set CLERK_WEBHOOK_SIGNING_SECRET.",
    )


def _folder(settings: "Settings") -> Check:
    folder = _existing(settings.data)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("folder", "failed", f"{folder} can't be written", "Give it to this user.")
    if settings.data.exists() and settings.data.stat().st_mode & 0o077:
        return Check(
            "folder",
            "warning",
            f"{settings.data} can be read by others on this machine",
            f"chmod -R go= '{settings.data}'",
        )
    return Check("folder", "ok", f"{settings.data} is this user's")


def _space(settings: "Settings") -> Check:
    free = shutil.disk_usage(_existing(settings.data)).free
    if free < _FREE_BYTES_MIN:
        return Check("space", "warning", f"{human_size(free)} are free", "Make room.")
    return Check("space", "ok", f"{human_size(free)} are free")


def _sync(settings: "Settings") -> Check:
    """Time what every acknowledged upload waits for."""
    with tempfile.TemporaryFile(dir=_existing(settings.data)) as file:
        file.write(b"doorward")
        file.flush()
        began = time.perf_counter()
        os.fsync(file.fileno())
        took = time.perf_counter() - began
    message = f"the disk confirms a write in {took * 1000:.1f} ms"
    if not settings.durable:
        return Check(
            "durability",
            "warning",
            "DOORWARD_DURABILITY=fast: a power cut may lose the last moments",
            "Unset it to have every acknowledged file on disk.",
        )
    if took > _SYNC_SECONDS_SLOW:
        return Check(
            "durability", "warning", message, "Uploads wait for this; a faster disk helps."
        )
    return Check("durability", "ok", message)


def _storage(settings: "Settings") -> Check:
    """Ask a remote store for something, as an upload would; what it says is in the log."""
    if settings.remote is None:
        return Check("storage", "ok", f"bytes are kept in {settings.blobs}")
    from doorward.server.problems import Problem
    from doorward.server.settings import SettingsInvalid
    from doorward.server.store.blobs.opening import open_blobs

    async def ask() -> None:
        blobs = open_blobs(settings)
        try:
            await blobs.check()
        finally:
            await blobs.leave()
            blobs.close()

    try:
        asyncio.run(ask())
    except SettingsInvalid as exc:
        return Check("storage", "failed", exc.mistakes[0], "See docs/how-to/storage.md.")
    except Problem:
        return Check(
            "storage",
            "failed",
            f"{settings.remote.shown} can't be reached, or does not take our credentials",
            "The log line above says why; see docs/how-to/storage.md.",
        )
    return Check("storage", "ok", f"{settings.remote.shown} can be reached")


def _server(settings: "Settings") -> Check:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    where = f"{settings.host}:{settings.port}"
    return Check(
        "server", "ok", f"{'something answers' if taken else 'nothing listens'} at {where}"
    )


def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _WAL_VERSION:
        return Check("sqlite", "failed", f"SQLite {version} is too old", "Use Python with 3.37+.")
    return Check("sqlite", "ok", f"SQLite {version}")


def _existing(folder: Path) -> Path:
    """Give the folder, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())
