"""What is searched for keys: files and standard input, read piece by piece."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from doorward.cli.output import ExitStatus

PIECE_BYTES = 1 << 20


class NotSearched(Exception):
    """What can't be searched as it was asked for; the message says why."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.USAGE) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to search: ``name`` is for people, ``blob`` is git's id of it."""

    name: str
    pieces: Iterable[bytes]
    blob: str | None = None


@dataclass(slots=True)
class Bounds:
    """What to leave out; and what was, for its size or since it can't be read."""

    exclude: tuple[str, ...] = ()
    size_max: int = 1 << 30
    skipped: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def excludes(self, path: str) -> bool:
        """Say whether a path, or its last part, is one that is to be left out."""
        last = path.rpartition("/")[2]
        return any(fnmatchcase(path, one) or fnmatchcase(last, one) for one in self.exclude)

    def takes(self, name: str, size: int) -> bool:
        """Say whether something is small enough, and note it where it is not."""
        if size > self.size_max:
            self.skipped.append(name)
        return size <= self.size_max


def shown(path: str | bytes | Path) -> str:
    """Give a path as it can be printed: no byte of it is lost, and none steers a terminal."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def files(paths: Iterable[str], bounds: Bounds) -> Iterator[Source]:
    """Give all files below paths, ``-`` for standard input; raises NotSearched.

    Links are followed, and pipes read, where they are named, and not where they are met.
    """
    for path in paths:
        here = Path(path)
        if path == "-":
            yield Source("standard input", pieces_of(sys.stdin.buffer))
        elif not here.exists():
            raise NotSearched(f"{shown(path)} is not there.")
        elif here.is_dir():
            yield from _below(here, bounds)
        else:
            yield from _file(here, here.stat(), bounds)


def pieces_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Read a stream piece by piece."""
    while piece := stream.read(PIECE_BYTES):
        yield piece


def _below(top: Path, bounds: Bounds) -> Iterator[Source]:
    """Give the files below a folder, those of a folder before those of the folders in it."""
    folders = [top]
    while folders:
        inner, here = [], folders.pop()
        for entry in _entries(here, bounds):
            path = here / entry.name
            with _noting(path, bounds):
                if entry.is_dir(follow_symlinks=False):
                    inner.append(path)
                # Reading a pipe or a device that is met may never end.
                elif entry.is_file(follow_symlinks=False):
                    yield from _file(path, entry.stat(follow_symlinks=False), bounds)
        folders += reversed(inner)


def _entries(folder: Path, bounds: Bounds) -> list[os.DirEntry[str]]:
    """List what of a folder is to be searched; what git has packed there is left to git."""
    listed: list[os.DirEntry[str]] = []
    with _noting(folder, bounds), os.scandir(folder) as entries:
        listed += entries
    packed = folder.name == ".git"
    return sorted(
        (
            one
            for one in listed
            if not (packed and one.name == "objects")
            and not bounds.excludes(str(folder / one.name))
        ),
        key=lambda one: one.name,
    )


def _file(path: Path, status: os.stat_result, bounds: Bounds) -> Iterator[Source]:
    if not bounds.takes(shown(path), status.st_size):
        return
    with _noting(path, bounds), path.open("rb", buffering=0) as stream:
        yield Source(shown(path), pieces_of(stream))


@contextmanager
def _noting(path: Path, bounds: Bounds) -> Iterator[None]:
    """Note what can't be read, and go on."""
    try:
        yield
    except OSError as exc:
        bounds.unread.append(f"{shown(path)}: {exc.strerror}")
