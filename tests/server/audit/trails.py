"""What tests of the trail share: entries of all kinds, and verdicts on a folder or an export."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from doorward.server.audit.keeping import heads_files, kept_witness, lines_of
from doorward.server.audit.verifying import (
    Report,
    check_database,
    check_export,
    read_heads,
)


def busy(house):
    """A house with a trail in several chains: allowed, refused and failed, by several people."""
    alice = house.person("alice", org="acme", role="org:admin")
    bob = house.person("bob", org="acme", role="org:member")
    eve = house.person("eve")
    office = alice.office()
    plans = alice.post("workspaces", name="Pläne").json()["id"]
    for number in range(4):
        file = alice.upload(office, f"plan {number} ✓.txt", b"x")
        alice.get(f"files/{file['id']}")
        bob.get(f"files/{file['id']}")
        eve.get(f"files/{file['id']}")
        alice.post(f"workspaces/{plans}/folders", name=f"folder {number}")
    alice.patch(f"workspaces/{plans}", policy={"max_files": 3, "names": "ascii"})
    eve.post(f"workspaces/{eve.home()}/folders", name="mine")
    house.client.get("/api/v1/me")
    settled(house)
    return alice, office, plans


def settled(house) -> None:
    """Wait until everything that was posted is in the trail."""
    house.client.portal.call(house.store().write, lambda _: None)


def verdict(folder: Path, heads: list[bytes] | None = None) -> Report:
    """Verify a data folder, by heads at hand or else by its own."""
    report, witness = Report(), kept_witness(folder)
    lines = lines_of(heads_files(folder)) if heads is None else heads
    known = read_heads(lines, witness, report)
    check_database(folder / "doorward.db", known, witness, report)
    return report


def verdict_on(lines: list[bytes], witness, heads=None) -> Report:
    """Verify an export."""
    report = Report()
    check_export(lines, witness, heads or {}, report)
    return report


def rows(folder: Path, query: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(folder / "doorward.db")) as database:
        return database.execute(query, values).fetchall()


def copied(folder: Path, to: Path) -> Path:
    """Copy a data folder's trail, with its key and heads, and without its triggers."""
    to.mkdir(exist_ok=True)
    for path in to.iterdir():
        path.unlink()
    for path in folder.glob("audit-*"):
        (to / path.name).write_bytes(path.read_bytes())
    with (
        closing(sqlite3.connect(folder / "doorward.db")) as database,
        closing(sqlite3.connect(to / "doorward.db")) as copy,
    ):
        database.backup(copy)
        for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            copy.execute(f"DROP TRIGGER {name}")
        # An attacker with the file is not held up by an index either.
        copy.execute("DROP INDEX uq_audit_position")
        copy.commit()
    return to


def flipped(value, chance: random.Random):
    """Change one byte of a value as the file has it."""
    if isinstance(value, str):
        data = bytearray(value.encode())
        if not data:
            return "x"
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return bytes(data)
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(8) + 8 * chance.randrange(6))
    return chance.choice(["", "x", 0, b"x"])
