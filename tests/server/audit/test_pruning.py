"""Old rows go only with a signed proof, and what remains verifies."""

import json

import pytest

from doorward.server import sweeper
from doorward.server.audit.keeping import kept_witness
from doorward.server.audit.pruning import ChainBroken
from server.audit.test_exporting import export, independently_verified
from server.audit.test_tampering import change
from server.audit.trails import busy, copied, rows, settled, verdict, verdict_on

DAY = 86_400


@pytest.fixture
def pruned(house_with, monkeypatch):
    """A house that keeps a day, in which two days ago much was tried, and some now."""
    monkeypatch.setattr(sweeper, "BATCH", 7)
    house = house_with(DOORWARD_AUDIT_DAYS="1")
    alice, office, _ = busy(house)
    house.attest()
    house.earlier = export(alice)
    house.clock.advance(seconds=2 * DAY)
    alice.post(f"workspaces/{office}/folders", name="today")
    settled(house)
    house.sweep()
    return house, alice, office


def test_what_is_old_goes_in_steps_and_what_remains_verifies(pruned):
    house, *_ = pruned

    report = verdict(house.data)

    assert report.findings == []
    assert rows(
        house.data, "SELECT count(*) FROM audit WHERE time < ?", (1_790_000_000 + DAY) * 10**6
    ) == [(0,)]
    assert rows(house.data, "SELECT count(*) > 3, max(last - first) FROM audit_proofs") == [(1, 6)]
    # A chain whose rows are all gone still has its end, and goes on from there.
    before = report.chains["user:user_eve"]
    house.person("eve").post("workspaces", name="again")
    settled(house)
    after = verdict(house.data)
    assert after.sound
    assert after.chains["user:user_eve"].position > before.position


def test_proofs_match_an_earlier_export_and_a_later_one_carries_them(pruned):
    house, alice, office = pruned
    key = (house.data / "audit-public.pem").read_text()
    hashes = {
        said["row"]["position"]: said["hash"]
        for said in map(json.loads, house.earlier.splitlines())
        if said["type"] == "row"
    }

    later = export(alice, workspace=office)

    independently_verified(later, key)
    assert verdict_on(later.splitlines(keepends=True), kept_witness(house.data)).sound
    proofs = [s for s in map(json.loads, later.splitlines()) if s["type"] == "pruned"]
    assert proofs
    assert proofs[0]["first"] == 1
    for proof in proofs:
        assert hashes.get(proof["last"], proof["hash"]) == proof["hash"]


def test_rows_that_went_without_a_proof_are_missed(pruned, tmp_path):
    house, *_ = pruned
    copy = copied(house.data, tmp_path / "copy")
    change(copy, "DELETE FROM audit_proofs WHERE chain = 'organization:org_acme' AND first = 1")

    assert not verdict(copy).sound


def test_a_proof_that_was_changed_is_found(pruned, tmp_path):
    house, *_ = pruned
    for column in ("last", "first", "hash", "statement"):
        copy = copied(house.data, tmp_path / "copy")
        change(copy, f"UPDATE audit_proofs SET {column} = {column} || '1' WHERE first = 1")  # noqa: S608
        assert not verdict(copy).sound


def test_rows_that_were_changed_are_not_pruned(house_with):
    house = house_with(DOORWARD_AUDIT_DAYS="1")
    busy(house)
    change(house.data, "DROP TRIGGER audit_update")
    change(house.data, "UPDATE audit SET outcome = 'allowed' WHERE outcome = 'denied'")
    house.clock.advance(seconds=2 * DAY)
    altered = {(one.chain, one.position) for one in verdict(house.data).findings}

    with pytest.raises(ChainBroken):
        house.sweep()

    assert {(one.chain, one.position) for one in verdict(house.data).findings} == altered


def test_without_a_setting_nothing_goes(house):
    busy(house)
    before = rows(house.data, "SELECT count(*) FROM audit")
    house.clock.advance(seconds=3650 * DAY)
    house.sweep()

    assert rows(house.data, "SELECT count(*) FROM audit") >= before
    assert rows(house.data, "SELECT count(*) FROM audit_proofs") == [(0,)]
    assert verdict(house.data).findings == []
