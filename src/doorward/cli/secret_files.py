"""Files that hold a secret: for their owner alone, whole or not at all, and never without room."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOM_BYTES = 256  # more than any secret has


@contextmanager
def secret_file(path: Path, *, replace: bool) -> Iterator[Callable[[str], None]]:
    """Make a file ready, and give what puts a secret into it.

    Everything that can fail has failed before a secret is asked for: the folder can be written
    and has room. Whoever reads the file finds the old secret or the new one, whole. Only one
    process at a time replaces a file. Raises OSError, FileExistsError.
    """
    target = path.resolve()  # a link to the file stays one
    with _alone(target.parent):
        if target.exists() and not target.is_file():  # taking the name of a device ends it
            raise OSError(0, "it is not a file")
        if target.exists() and not replace:
            raise FileExistsError(0, "it is there already")
        new = _with_room(target)
        try:
            yield lambda secret: _keep(secret, new, target)
        finally:
            new.unlink(missing_ok=True)


def _with_room(target: Path) -> Path:
    fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # 0600
    with os.fdopen(fd, "wb") as out:
        out.write(bytes(_ROOM_BYTES))
        out.flush()
        os.fsync(fd)
        # A job of root's leaves the file with whom it belongs to.
        with suppress(FileNotFoundError, PermissionError):
            old = target.stat()
            os.chown(fd, old.st_uid, old.st_gid)
    return Path(name)


def _keep(secret: str, new: Path, target: Path) -> None:
    with new.open("r+b") as out:
        out.write(secret.encode() + b"\n")
        out.truncate()
        out.flush()
        os.fsync(out.fileno())
    new.replace(target)
    with _folder(target.parent) as folder:
        os.fsync(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is about to replace a file in this folder."""
    import fcntl

    with _folder(folder) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield


@contextmanager
def _folder(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
