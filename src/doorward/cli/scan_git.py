"""What git keeps, searched for keys: file contents, commits and tags that it can still reach."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from doorward.cli.output import ExitStatus
from doorward.cli.scan_sources import PIECE_BYTES, Bounds, NotSearched, Source, shown

# Also what only a reflog or the index knows still.
_LIST = ("rev-list", "--objects", "--all", "--reflog", "--indexed-objects")
_CHECK = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)")
_STAGED = (
    *("diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=AMT"),
    *("--no-ext-diff", "--ignore-submodules=all"),
)
# Nothing is run that a repository names, nothing is fetched, nothing hides behind another object.
_SAFE = ("-c", "core.fsmonitor=false")
_ENVIRON = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_READ = frozenset({b"blob", b"commit", b"tag"})


def history(repository: str, bounds: Bounds) -> Iterator[Source]:
    """Give all that git keeps of a repository but its folders; raises NotSearched."""
    _look_at(repository)
    with ExitStack() as running:
        listed = running.enter_context(_git(repository, *_LIST))
        checked = running.enter_context(_git(repository, *_CHECK, stdin=listed))
        contents = _Contents(running.enter_context(_git(repository, "cat-file", "--batch")), bounds)
        for row in _output(checked):
            kind, _, rest = row.rstrip(b"\n").partition(b" ")
            oid, _, path = rest.partition(b" ")
            if kind in _READ:
                yield from contents.of(oid, _named(repository, path or b"(%b)" % kind))
            elif kind != b"tree":  # "OBJECT missing"
                bounds.unread.append(f"{shown(kind)}: git does not have it here")
        _ended(listed)
        _ended(checked)


def staged(repository: str, bounds: Bounds) -> Iterator[Source]:
    """Give what is staged for the next commit, as it is in the index; raises NotSearched."""
    _look_at(repository)
    with ExitStack() as running:
        listed = running.enter_context(_git(repository, *_STAGED))
        contents = _Contents(running.enter_context(_git(repository, "cat-file", "--batch")), bounds)
        parts = _output(listed).read().split(b"\0")
        _ended(listed)
        for head, path in zip(parts[::2], parts[1::2], strict=False):
            oid = head.split(b" ")[3]
            if oid.strip(b"0"):  # else it is only intended to be added
                yield from contents.of(oid, _named(repository, path))


class _Contents:
    """Asks ``git cat-file`` for one object after another, and holds a piece of one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], bounds: Bounds) -> None:
        self._process = process
        self._bounds = bounds

    def of(self, oid: bytes, name: str) -> Iterator[Source]:
        """Give an object by its id, unless it is left out."""
        if self._bounds.excludes(name):
            return
        head = self._ask(oid)
        if head.endswith(b" missing\n"):
            self._bounds.unread.append(f"{name}: git does not have it here")
            return
        size = int(head.split(b" ")[2])
        pieces = _bounded(_output(self._process), size)
        if self._bounds.takes(name, size):
            yield Source(name, pieces, oid.decode())
        for _ in pieces:  # up to where the next answer begins
            pass
        _output(self._process).read(1)

    def _ask(self, oid: bytes) -> bytes:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(oid + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _failed() from None
        head = _output(self._process).readline()
        if not head:
            raise _failed()
        return head


def _bounded(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(PIECE_BYTES, size))
        if not piece:
            raise _failed()
        size -= len(piece)
        yield piece


def _look_at(repository: str) -> None:
    """Make sure that git is there and finds a repository; raises NotSearched."""
    try:
        done = subprocess.run(  # noqa: S603 - words of ours, and no shell
            ["git", *_SAFE, "-C", repository, "rev-parse", "--git-dir"],  # noqa: S607
            capture_output=True,
            env=os.environ | _ENVIRON,
            check=False,
        )
    except FileNotFoundError:
        message = "This needs git, and git is not installed (or not in PATH)."
        raise NotSearched(message, ExitStatus.FAILURE) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "backslashreplace").strip()
        raise NotSearched(f"{shown(repository)} is no repository of git: {said}")


@contextmanager
def _git(
    repository: str, *words: str, stdin: subprocess.Popen[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run git while it is needed; what it has to complain of goes to standard error."""
    process = subprocess.Popen(  # noqa: S603 - words of ours, and no shell
        ["git", *_SAFE, "-C", repository, *words],  # noqa: S607 - the one that is installed
        stdin=subprocess.PIPE if stdin is None else stdin.stdout,
        stdout=subprocess.PIPE,
        env=os.environ | _ENVIRON,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Make sure that a list was whole."""
    if process.wait():
        raise _failed()


def _failed() -> NotSearched:
    return NotSearched("git failed, and not all was searched.", ExitStatus.FAILURE)


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return process.stdout


def _named(repository: str, path: bytes) -> str:
    return shown(Path(repository) / os.fsdecode(path))
