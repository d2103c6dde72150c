"""The hash chain of the trail, and what is wrong with one: values in, findings out, no I/O.

Whoever has this module and ``signing`` can verify an export without a server; the format is
written down in docs/reference/audit.md, for whoever trusts neither.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

FORMAT = "doorward-audit-1"
FINDINGS_MAX = 1000

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


class Fault(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"  # a row's content and its hash don't belong together
    MISSING = "missing"  # positions that are not there
    MISPLACED = "misplaced"  # a row where another should be: moved, doubled or put in
    MALFORMED = "malformed"  # not in the one form that everything has
    CUT = "cut"  # a head attests rows beyond the last that is there
    REWRITTEN = "rewritten"  # a head or proof attests another hash than the row has
    UNSIGNED = "unsigned"  # a statement that the key did not sign


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and in words; ``position`` is None for a chain as a whole."""

    fault: Fault
    chain: str
    position: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Attested:
    """What a signed statement says of a chain: this hash at this position, at this time."""

    position: int
    hash: str
    time: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Rows that were removed on purpose, with what stood before the first and at the last."""

    first: int
    last: int
    count: int
    previous: str
    hash: str


def canonical(value: Any) -> bytes:
    """Give the one text that a value has: sorted keys, no spaces, no needless escape, UTF-8.

    Raises ValueError, TypeError for what has none.
    """
    return _JSON.encode(value).encode()


def genesis(chain: str) -> str:
    """Give what stands for the hash before a chain's first row."""
    return sha256(f"{FORMAT}:{chain}".encode()).hexdigest()


def digest_of(row: Mapping[str, Any]) -> str:
    """Give the digest of a row's content, of which what is null is no part."""
    kept = {name: value for name, value in row.items() if value is not None}
    return sha256(canonical(kept)).hexdigest()


def linked(previous: str, digest: str) -> str:
    """Give the hash of a row: SHA-256 over the bytes of the hash before it and its digest."""
    return sha256(bytes.fromhex(previous + digest)).hexdigest()


class ChainCheck:
    """Looks at one chain, row by row in the order in which they are given.

    Begin with heads, and with what was pruned, or ``start`` for an extract; then come all rows,
    those of others by their digests alone, and ``end``.
    """

    def __init__(self, chain: str, heads: Iterable[Attested] = ()) -> None:
        self.chain = chain
        self.findings: list[Finding] = []
        self.left_out = 0
        self.rows = 0
        self._position = 0
        self._hash = genesis(chain)
        self._heads: dict[int, str] = {}
        for head in heads:
            self.attested(head)

    @property
    def last(self) -> Attested:
        """The last position that was looked at, and its hash."""
        return Attested(self._position, self._hash)

    def start(self, position: int, previous: str) -> None:
        """Begin an extract whose first row has this position, after this hash."""
        self._position, self._hash = position - 1, previous

    def attested(self, head: Attested) -> None:
        """Hear of a head, before the row that it attests."""
        known = self._heads.setdefault(head.position, head.hash)
        if known != head.hash:
            self.add(Fault.REWRITTEN, head.position, "two heads attest different hashes")

    def pruned(self, proof: Pruned) -> None:
        """Go past rows that a signed proof says were removed."""
        whole = proof.count == proof.last - proof.first + 1
        if proof.first != self._position + 1 or proof.previous != self._hash or not whole:
            what = f"the proof of pruning of {proof.first} to {proof.last} does not fit"
            self.add(Fault.REWRITTEN, proof.first, what)
        self._position, self._hash = proof.last, proof.hash
        self._compare_head(proof.last, proof.hash)

    def row(self, row: Mapping[str, Any], hash_: Any) -> None:
        """Look at a row with its content."""
        self.rows += 1
        position = row.get("position")
        if type(position) is not int or not _is_hash(hash_):
            self.add(Fault.MALFORMED, None, f"a row after position {self._position} is malformed")
            return
        if row.get("chain") != self.chain:
            self.add(Fault.MISPLACED, position, "the row belongs to another chain")
            return
        try:
            digest = digest_of(row)
        except (TypeError, ValueError):
            digest = ""
        self.link(position, digest, hash_)

    def withheld(self, position: Any, digests: Any) -> None:
        """Look at rows of which nothing but their digests is shown, the first at ``position``."""
        if not isinstance(digests, list) or not all(map(_is_hash, digests)):
            self.add(Fault.MALFORMED, None, f"what is withheld after {self._position} is malformed")
            return
        for digest in digests:
            self.link(position, digest, linked(self._hash, digest))
            position += 1

    def link(self, position: Any, digest: Any, hash_: Any) -> None:
        """Look at a row by its digest."""
        if type(position) is not int or not _is_hash(hash_):
            self.add(Fault.MALFORMED, None, f"a row after position {self._position} is malformed")
            return
        if position <= self._position:
            self.add(Fault.MISPLACED, position, f"it comes after position {self._position}")
            return
        if position > self._position + 1:
            self._missing(self._position + 1, position - 1)
        elif not _is_hash(digest) or linked(self._hash, digest) != hash_:
            what = "its hash is not that of its content after the row before it"
            self.add(Fault.ALTERED, position, what)
        self._position, self._hash = position, hash_
        self._compare_head(position, hash_)

    def end(self) -> None:
        """Compare the end of the chain with what heads say of it."""
        beyond = max(self._heads, default=0)
        if beyond > self._position:
            what = f"a head attests position {beyond}, and the last row is {self._position}"
            self.add(Fault.CUT, self._position + 1, what)

    def add(self, fault: Fault, position: int | None, detail: str) -> None:
        """Note something that is wrong."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(fault, self.chain, position, detail))
        else:
            self.left_out += 1

    def _missing(self, first: int, last: int) -> None:
        what = f"positions {first} to {last} are" if last > first else f"position {first} is"
        self.add(Fault.MISSING, first, f"{what} not there")

    def _compare_head(self, position: int, hash_: str) -> None:
        attested = self._heads.get(position)
        if attested is not None and attested != hash_:
            self.add(Fault.REWRITTEN, position, "a head attests another hash")


def _is_hash(value: Any) -> bool:
    """Say whether something is a SHA-256 as it is written here: 64 small hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")  # noqa: PLR2004
