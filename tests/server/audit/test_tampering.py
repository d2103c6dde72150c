"""Whatever is done to a row, a proof or an export behind Doorward's back is found (B8)."""

import json
import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doorward.server.audit.chain import Fault
from doorward.server.audit.keeping import kept_witness
from server.audit.trails import busy, copied, flipped, rows, verdict, verdict_on

COLUMNS = [
    "sequence", "chain", "position", "hash", "id", "time", "action", "outcome", "reason",
    "actor_type", "actor_id", "credential_type", "credential_id", "on_behalf_of", "workspace_id",
    "resource_type", "resource_id", "resource_name", "address", "agent", "request_id", "details",
]  # fmt: skip
often = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def folder(house):
    """The data folder of a house in which a good deal was tried, all of it attested."""
    busy(house)
    house.attest()
    return house.data


@pytest.fixture
def export(house):
    """An export of one workspace in a chain of two, as its lines."""
    alice, office, _ = busy(house)
    house.attest()
    answer = alice.get("audit/export", params={"workspace": office})
    return answer.content.splitlines(keepends=True), kept_witness(house.data)


def change(folder, statement, *values):
    with closing(sqlite3.connect(folder / "doorward.db")) as database:
        database.execute(statement, values)
        database.commit()


def test_every_column_there_is_is_tried(folder):
    with closing(sqlite3.connect(folder / "doorward.db")) as database:
        cursor = database.execute("SELECT * FROM audit LIMIT 1")
        assert {column[0] for column in cursor.description} == set(COLUMNS)


def test_a_trail_that_nobody_touched_is_sound(folder):
    report = verdict(folder)

    assert report.findings == []
    assert report.rows == rows(folder, "SELECT count(*) FROM audit")[0][0] > 20
    assert set(report.chains) == {"organization:org_acme", "user:user_eve", "house"}


def test_any_byte_of_any_row_that_is_changed_is_found(folder, tmp_path):
    sequences = [row[0] for row in rows(folder, "SELECT sequence FROM audit")]

    @often
    @given(st.sampled_from(sequences), st.sampled_from(COLUMNS), st.integers(0, 1 << 30))
    def one(sequence, column, seed):
        copy = copied(folder, tmp_path / "copy")
        ((value,),) = rows(copy, f"SELECT {column} FROM audit WHERE sequence = ?", sequence)  # noqa: S608
        other = flipped(value, random.Random(seed))
        try:
            set_ = f"UPDATE audit SET {column} = ? WHERE sequence = ?"  # noqa: S608
            change(copy, set_, other, sequence)
        except sqlite3.IntegrityError:  # the number of another row
            return
        assert not verdict(copy).sound, (column, value, other)

    one()


@pytest.mark.parametrize("what", [" ", "\n", "\t"])
def test_a_space_in_the_details_is_found(folder, tmp_path, what):
    copy = copied(folder, tmp_path / "copy")
    change(copy, "UPDATE audit SET details = replace(details, ':', ?)", ":" + what)

    assert {one.fault for one in verdict(copy).findings} == {Fault.ALTERED}


def test_what_was_text_and_is_bytes_now_is_found(folder, tmp_path):
    copy = copied(folder, tmp_path / "copy")
    change(copy, "UPDATE audit SET action = CAST(action AS BLOB) WHERE position = 3")

    assert not verdict(copy).sound


def test_any_row_that_is_dropped_is_found_and_where(folder, tmp_path):
    for chain, position in rows(folder, "SELECT chain, position FROM audit"):
        copy = copied(folder, tmp_path / "copy")
        change(copy, "DELETE FROM audit WHERE chain = ? AND position = ?", chain, position)

        found = verdict(copy).findings
        assert [one.fault for one in found] in ([Fault.MISSING], [Fault.CUT])
        assert [(one.chain, one.position) for one in found] == [(chain, position)]


@often
@given(seed=st.integers(0, 1 << 30), kind=st.sampled_from(["swap", "double", "insert", "move"]))
@example(seed=0, kind="move")
def _tampered_rows(folder, to, seed, kind):
    chance = random.Random(seed)
    copy = copied(folder, to)
    all_ = rows(copy, "SELECT sequence, chain, position FROM audit")
    (one, chain, position), (other, _, theirs) = chance.sample(all_, 2)
    own = ", ".join(name for name in COLUMNS if name != "sequence")
    put = f"INSERT INTO audit ({own}) SELECT "
    if kind == "swap":
        if (theirs, all_) == (position, all_):
            return
        change(copy, "UPDATE audit SET position = ? WHERE sequence = ?", theirs, one)
        change(copy, "UPDATE audit SET position = ? WHERE sequence = ?", position, other)
    elif kind == "double":
        change(copy, f"{put}{own} FROM audit WHERE sequence = ?", one)
    elif kind == "insert":
        made = own.replace("position", "position + 1").replace("action", "'file:delete'")
        change(copy, f"{put}{made} FROM audit WHERE sequence = ?", one)
    else:
        change(copy, "UPDATE audit SET chain = 'house', position = 99 WHERE sequence = ?", one)
    assert not verdict(copy).sound, (kind, one, other, chain)


def test_rows_that_are_swapped_doubled_put_in_or_moved_are_found(folder, tmp_path):
    _tampered_rows(folder=folder, to=tmp_path / "copy")


def test_a_tail_that_was_cut_off_is_found_by_a_head_at_hand_alone(folder, tmp_path):
    copy = copied(folder, tmp_path / "copy")
    ((last,),) = rows(copy, "SELECT max(position) FROM audit WHERE chain LIKE 'org%'")
    change(copy, "DELETE FROM audit WHERE chain LIKE 'org%' AND position > ?", last - 3)

    (found,) = verdict(copy).findings
    assert (found.fault, found.position) == (Fault.CUT, last - 2)
    assert f"attests position {last}" in found.detail
    assert verdict(copy, heads=[]).sound  # which is what heads are for


def test_a_chain_that_is_gone_altogether_is_found(folder, tmp_path):
    copy = copied(folder, tmp_path / "copy")
    change(copy, "DELETE FROM audit WHERE chain = 'user:user_eve'")

    (found,) = verdict(copy).findings
    assert (found.fault, found.chain) == (Fault.CUT, "user:user_eve")


def test_a_chain_that_was_hashed_anew_is_found_by_a_head_at_hand(folder, tmp_path):
    from doorward.server.audit.chain import digest_of, genesis, linked
    from doorward.server.audit.contents import content_of

    copy = copied(folder, tmp_path / "copy")
    change(copy, "UPDATE audit SET outcome = 'allowed' WHERE outcome = 'denied'")
    with closing(sqlite3.connect(copy / "doorward.db")) as database:
        cursor = database.execute("SELECT * FROM audit ORDER BY chain, position")
        names = [column[0] for column in cursor.description]
        ends = {}
        for values in cursor.fetchall():
            content, _ = content_of(names, values)
            previous = ends.get(content["chain"], genesis(content["chain"]))
            ends[content["chain"]] = linked(previous, digest_of(content))
            database.execute(
                "UPDATE audit SET hash = ? WHERE sequence = ?",
                (ends[content["chain"]], content["sequence"]),
            )
        database.commit()

    assert {one.fault for one in verdict(copy).findings} == {Fault.REWRITTEN}
    assert verdict(copy, heads=[]).sound


def test_heads_that_another_key_signed_or_that_were_changed_count_for_nothing(folder):
    line = (folder / "audit-heads.jsonl").read_bytes().splitlines(keepends=True)[0]
    said = json.loads(line)
    changed = json.dumps(
        said | {"position": said["position"] + 1}, sort_keys=True, separators=(",", ":")
    )

    for forged in (changed.encode() + b"\n", line.replace(b'"head"', b'"Head"')):
        assert [one.fault for one in verdict(folder, [forged]).findings] == [Fault.UNSIGNED]


def test_a_head_whose_line_was_being_written_is_no_finding(folder):
    line = (folder / "audit-heads.jsonl").read_bytes().splitlines(keepends=True)[0]

    assert verdict(folder, [line, line[:50]]).sound


def test_any_byte_of_an_export_that_is_changed_is_found(export):
    lines, witness = export
    whole = b"".join(lines)

    @settings(often, max_examples=600)
    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def one(at, by):
        changed = whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :]
        assert not verdict_on(changed.splitlines(keepends=True), witness).sound
        assert not verdict_on(changed.splitlines(keepends=True), None).sound

    assert verdict_on(lines, witness).sound
    one()


def test_any_line_of_an_export_that_is_dropped_doubled_or_swapped_is_found(export):
    lines, witness = export
    for at in range(len(lines)):
        assert not verdict_on(lines[:at] + lines[at + 1 :], witness).sound
        assert not verdict_on(lines[: at + 1] + lines[at:], witness).sound
        assert not verdict_on(lines[:at], witness).sound
        if at:
            swapped = [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]
            assert not verdict_on(swapped, witness).sound


def test_an_export_that_somebody_made_anew_is_found_by_the_key_alone(export):
    from doorward.server.audit.signing import Signer

    lines, witness = export
    stranger = Signer.made()
    header = json.loads(lines[0]) | {"public_key": stranger.public.pem()}
    forged = [json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"]

    assert not verdict_on(forged + lines[1:], witness).sound
    assert not verdict_on(forged + lines[1:], None).sound
