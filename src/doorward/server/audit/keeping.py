"""What is kept of the trail outside the database: the key that signs heads, and the heads."""

import fcntl
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from doorward.server.audit.chain import Attested, canonical
from doorward.server.audit.signing import Signer, Statement, Witness
from doorward.server.audit.verifying import attested, read_line

KEY = "audit-key.pem"
PUBLIC_KEY = "audit-public.pem"
HEADS = "audit-heads.jsonl"
_SENT = "audit-heads.sent"
_TURNED = re.compile(r"audit-heads\.[0-9]{4,}\.jsonl")
TURN_BYTES = 16 << 20
"""A file of heads that has grown so long is set aside, and a new one begun."""


def kept_signer(folder: Path) -> Signer:
    """Give the folder's key; raises OSError, KeyUnreadable."""
    return Signer.read((folder / KEY).read_text(encoding="ascii"))


def kept_witness(folder: Path) -> Witness:
    """Give the folder's public key; raises OSError, KeyUnreadable."""
    return Witness.read((folder / PUBLIC_KEY).read_text(encoding="ascii"))


def make_signer(folder: Path) -> None:
    """Make the key once, whoever comes first, and export its public half.

    Raises OSError, KeyUnreadable.
    """
    if not (folder / KEY).exists():
        _made_whole(folder / KEY, Signer.made().pem(), 0o600)
    if not (folder / PUBLIC_KEY).exists():
        _made_whole(folder / PUBLIC_KEY, kept_signer(folder).public.pem(), 0o644)


@dataclass(frozen=True, slots=True)
class Trail:
    """What an export takes beside rows: the key that signs it, and where heads are."""

    signer: Signer
    folder: Path

    def heads(self, chain: str, first: int, last: int, most: int) -> list[Statement]:
        """Give the newest heads of a part of a chain, oldest first; raises OSError."""
        found: deque[Statement] = deque(maxlen=most)
        for line in lines_of(heads_files(self.folder)):
            said = read_line(line) if chain.encode() in line else None
            if said is not None and said["chain"] == chain and first <= said["position"] <= last:
                found.append(said)
        return list(found)


def heads_files(folder: Path) -> list[Path]:
    """Give the files of heads that are there, oldest first."""
    turned = [path for path in folder.iterdir() if _TURNED.fullmatch(path.name)]
    own = [folder / HEADS] if (folder / HEADS).exists() else []
    return sorted(turned, key=lambda path: (len(path.name), path.name)) + own


def lines_of(files: Iterable[Path]) -> Iterator[bytes]:
    """Give the lines of files, one after another; raises OSError."""
    for path in files:
        with path.open("rb") as file:
            yield from file


class HeadsFile:
    """The heads of every chain, to whose end alone anything is added; for one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / HEADS
        self._lock: IO[str] | None = None
        self.latest: dict[str, Attested] = {}

    def hold(self) -> bool:
        """Hold the file from now on, unless another process does; raises OSError."""
        if self._lock is None:
            lock = (self._folder / "audit-heads.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return False
            self._lock = lock
            self._read()
        return True

    def close(self) -> None:
        """Let another process hold it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def add(self, heads: list[Statement]) -> None:
        """Add heads; they are on the disk when this returns. Raises OSError."""
        with self._path.open("ab") as file:
            file.write(b"".join(canonical(head) + b"\n" for head in heads))
            file.flush()
            os.fsync(file.fileno())
        self.latest |= {head["chain"]: attested(head) for head in heads}

    def unsent(self, bytes_max: int) -> tuple[int, bytes]:
        """Give heads that were not sent on yet, whole lines of them, and where they end."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(min(self._sent(), file.seek(0, os.SEEK_END)))
            begin, some = file.tell(), file.read(bytes_max)
            some = some[: some.rfind(b"\n") + 1]
            return begin + len(some), some
        return 0, b""

    def sent(self, until: int) -> None:
        """Note how far heads were sent on; raises OSError."""
        new = self._folder / f"{_SENT}.new"
        new.write_text(str(until), encoding="ascii")
        new.replace(self._folder / _SENT)

    def turn(self, *, all_sent: bool) -> None:
        """Set a long file aside; the new one begins with the latest head of each chain.

        What was not sent on yet is waited for, until the file is four times as long.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < TURN_BYTES or (not all_sent and size < 4 * TURN_BYTES):
            return
        latest: dict[str, bytes] = {}
        for line in lines_of([self._path]):
            said = read_line(line)
            if said is not None:
                latest[said["chain"]] = line
        number = len(heads_files(self._folder))
        while (aside := self._folder / f"audit-heads.{number:04}.jsonl").exists():
            number += 1
        os.link(self._path, aside)
        new = self._folder / f"{HEADS}.new"
        content = b"".join(latest.values())
        new.write_bytes(content)
        new.replace(self._path)
        self.sent(len(content))

    def forget(self, before: float) -> None:
        """Remove files that were set aside and not written since ``before``; raises OSError."""
        for path in heads_files(self._folder):
            if path != self._path and path.stat().st_mtime < before:
                path.unlink()

    def _sent(self) -> int:
        try:
            return int((self._folder / _SENT).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def _read(self) -> None:
        """Learn the latest heads, and cut off a line that a crash left half written."""
        self.latest.clear()
        if not self._path.exists():
            return
        whole = 0
        for line in lines_of([self._path]):
            if line.endswith(b"\n"):
                whole += len(line)
                said = read_line(line)
                if said is not None:
                    self.latest[said["chain"]] = attested(said)
        if whole != self._path.stat().st_size:
            os.truncate(self._path, whole)


def _made_whole(path: Path, text: str, mode: int) -> None:
    """Make a file that is whole before it has its name; one that is there meanwhile stays."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
