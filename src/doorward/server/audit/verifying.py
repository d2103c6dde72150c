"""Verifies whole trails: a database's, beside a server that goes on writing, or an export's.

Needs nothing but the standard library and ``cryptography``.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from doorward.server.audit.chain import (
    FINDINGS_MAX,
    Attested,
    ChainCheck,
    Fault,
    Finding,
    Pruned,
    canonical,
)
from doorward.server.audit.contents import content_of
from doorward.server.audit.signing import KeyUnreadable, Statement, Witness

_ROWS = "SELECT * FROM audit ORDER BY chain, position, sequence"
_PROOFS = "SELECT chain, first, last, hash, statement FROM audit_proofs ORDER BY chain, last"
Heads = Mapping[str, list[Attested]]


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong with it."""

    findings: list[Finding] = field(default_factory=list)
    chains: dict[str, Attested] = field(default_factory=dict)
    rows: int = 0
    left_out: int = 0
    key: str | None = None

    @property
    def sound(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.findings

    def took(self, check: ChainCheck) -> None:
        """Take over what was found in a chain."""
        self.findings += check.findings
        self.left_out += check.left_out
        self.rows += check.rows
        self.chains[check.chain] = check.last


def read_heads(
    lines: Iterable[bytes], witness: Witness, report: Report
) -> dict[str, list[Attested]]:
    """Give what signed heads attest, by chain; what the key did not sign is reported.

    A last line without its end is one that was being written.
    """
    heads: dict[str, list[Attested]] = {}
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            continue
        said = read_line(line)
        if said is None or not witness.confirms(said, "head"):
            chain = str(said.get("chain", "")) if said else ""
            what = f"line {number} of the heads is not signed by the key"
            report.findings.append(Finding(Fault.UNSIGNED, chain, None, what))
            continue
        heads.setdefault(said["chain"], []).append(attested(said))
    return heads


def attested(said: Statement) -> Attested:
    """Give what a confirmed head says."""
    return Attested(said["position"], said["hash"], said["time"])


def check_database(database: Path, heads: Heads, witness: Witness, report: Report) -> None:
    """Look at every row of every chain, in one steady view; raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        opened.text_factory = _text
        opened.execute("BEGIN")
        proofs: dict[Any, list[tuple[Any, ...]]] = {}
        for row in opened.execute(_PROOFS):
            proofs.setdefault(row[0], []).append(row)
        for chain, rows in _by_chain(opened.execute(_ROWS)):
            _check_chain(chain, rows, proofs.pop(chain, []), heads, witness, report)
        for chain, rest in proofs.items():
            _check_chain(chain, (), rest, heads, witness, report)
    for chain in heads:
        if chain not in report.chains:
            _check_chain(chain, (), [], heads, witness, report)


def _by_chain(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, Iterator[tuple[Any, ...]]]]:
    """Give rows chain by chain, none of them kept."""
    columns = [column[0] for column in cursor.description]
    contents = (content_of(columns, values) for values in cursor)
    yield from groupby(contents, key=lambda found: found[0]["chain"])


def _check_chain(
    chain: Any,
    rows: Iterable[tuple[Any, ...]],
    proofs: list[tuple[Any, ...]],
    heads: Heads,
    witness: Witness,
    report: Report,
) -> None:
    check = ChainCheck(str(chain), heads.get(chain, ()))
    for _, first, last, hash_, statement in proofs:
        _check_proof(check, (first, last, hash_), statement, witness)
    for content, hash_ in rows:
        check.row(content, hash_)
    check.end()
    report.took(check)


def _check_proof(
    check: ChainCheck, columns: tuple[Any, ...], statement: Any, witness: Witness
) -> None:
    said = read_line(statement.encode() + b"\n") if isinstance(statement, str) else None
    if said is None or (said.get("first"), said.get("last"), said.get("hash")) != columns:
        check.add(Fault.MALFORMED, None, "a proof of pruning is malformed")
        return
    take_proof(check, said, witness)


def take_proof(check: ChainCheck, said: Statement, witness: Witness) -> None:
    """Go past what a proof says was pruned, if the key signed it."""
    if not witness.confirms(said, "pruned") or said.get("chain") != check.chain:
        check.add(Fault.UNSIGNED, None, "a proof of pruning is not signed by the key")
        return
    check.pruned(Pruned(said["first"], said["last"], said["count"], said["previous"], said["hash"]))


def read_line(line: bytes) -> Statement | None:
    """Read one line, None where it is not the one text of an object."""
    try:
        said = json.loads(line)
        same = canonical(said) + b"\n" == line
    except (ValueError, RecursionError):
        return None
    return said if same and isinstance(said, dict) else None


def _text(data: bytes) -> Any:
    """Leave what is no text as bytes, which no content has."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def check_export(
    lines: Iterable[bytes], witness: Witness | None, heads: Heads, report: Report
) -> None:
    """Look at an export, by the key in it where no other is at hand, and by heads that are."""
    reading = _Export(witness, heads, report)
    for line in lines:
        reading.take(line)
    reading.finish()


class _Export:
    """An export, line by line: what comes when, and whether it fits."""

    def __init__(self, witness: Witness | None, heads: Heads, report: Report) -> None:
        self._witness = witness
        self._heads = heads
        self._report = report
        self._digest = sha256()
        self._check: ChainCheck | None = None
        self._header: Statement = {}
        self._ended = False
        self._number = 0

    def take(self, line: bytes) -> None:
        """Look at the next line."""
        self._number += 1
        said = read_line(line)
        if self._ended:
            self._wrong(Fault.MISPLACED, "something comes after the end")
        elif said is None:
            self._wrong(Fault.MALFORMED, f"line {self._number} is not in the one form it can have")
        elif self._check is None:
            self._begin(said)
        else:
            self._go_on(self._check, said)
        self._digest.update(line)

    def finish(self) -> None:
        """Say what is missing at the end."""
        if not self._ended:
            self._wrong(Fault.CUT, "the export has no end")
        if self._check is not None:
            self._report.took(self._check)
        if self._witness is not None:
            self._report.key = self._witness.id

    def _begin(self, said: Statement) -> None:
        try:
            chain, first, previous = said["chain"], said["first"], said["previous"]
            self._witness = self._witness or Witness.read(said["public_key"])
            bytes.fromhex(previous)
        except (KeyError, KeyUnreadable, AttributeError, TypeError, ValueError):
            self._wrong(Fault.MALFORMED, "the header is malformed")
            return
        # A head that is younger than the export may be of a row that is.
        last, time = said.get("last", 0), said.get("time", "") if said.get("complete") else ""
        known = [one for one in self._heads.get(chain, ()) if first <= one.position]
        known = [one for one in known if one.position <= last or one.time <= time]
        self._header, self._check = said, ChainCheck(chain, known)
        self._check.start(first, previous)

    def _go_on(self, check: ChainCheck, said: Statement) -> None:
        kind = said.get("type")
        if kind == "row" and isinstance(said.get("row"), dict):
            check.row(said["row"], said.get("hash"))
        elif kind == "withheld" and type(said.get("position")) is int:
            check.withheld(said["position"], said.get("digests"))
        elif kind == "head":
            self._confirmed(said, "head", lambda: check.attested(attested(said)))
        elif kind == "pruned":
            self._confirmed(said, "pruned", lambda: self._pruned(said))
        elif kind == "end":
            self._confirmed(said, "end", lambda: self._end(check, said))
        else:
            self._wrong(Fault.MALFORMED, f"line {self._number} is of no known type")

    def _confirmed(self, said: Statement, kind: str, then: Callable[[], None]) -> None:
        signed = self._witness is not None and self._witness.confirms(said, kind)
        if not signed or said.get("chain") != self._header["chain"]:
            self._wrong(
                Fault.UNSIGNED, f"the {kind} in line {self._number} is not signed by the key"
            )
            return
        then()

    def _pruned(self, said: Statement) -> None:
        if said["last"] + 1 == self._header["first"] and said["hash"] != self._header["previous"]:
            self._wrong(Fault.REWRITTEN, "the proof of what was pruned does not fit the first row")

    def _end(self, check: ChainCheck, said: Statement) -> None:
        self._ended = True
        check.end()
        if said["sha256"] != self._digest.hexdigest():
            self._wrong(Fault.MALFORMED, "the lines before the end are not those that were signed")
        if (said["position"], said["hash"]) != (check.last.position, check.last.hash):
            self._wrong(Fault.CUT, f"the signed end is at position {said['position']}")

    def _wrong(self, fault: Fault, what: str) -> None:
        chain = str(self._header.get("chain", ""))
        if self._check is not None:
            self._check.add(fault, None, what)
        elif len(self._report.findings) < FINDINGS_MAX:
            self._report.findings.append(Finding(fault, chain, None, what))
        else:
            self._report.left_out += 1
