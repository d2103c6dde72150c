"""Identical content lies once in a workspace, for as long as anything names it."""

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.uploads import receiving
from doorward.server.uploads.ports import Stored
from doorward.server.workspaces.policy import NO_POLICY
from support import Person, ServerProcess, problem

GRACE = 3600
DAY = 86_400
THE_SAME = f"blake3:{blake3(b'the same').hexdigest()}"


@pytest.fixture
def home(alice):
    return alice.home()


def used(person, workspace):
    return person.get(f"workspaces/{workspace}").json()["used_bytes"]


def content(person, file):
    return person.get(f"files/{file['id']}/content")


def test_identical_content_is_stored_once_and_counted_for_each_file(alice, house, home):
    one = alice.upload(home, "a.txt", b"the same")
    two = alice.upload(home, "b.txt", b"the same")
    house.sweep()

    assert len(house.stored_files()) == 1
    assert content(alice, one).content == content(alice, two).content == b"the same"
    assert used(alice, home) == 16


def test_workspaces_share_no_bytes(alice, house, home):
    other = alice.post("workspaces", name="Other").json()["id"]

    alice.upload(home, "a.txt", b"the same")
    alice.upload(other, "a.txt", b"the same")
    house.sweep()

    assert len(house.stored_files()) == 2


def test_a_declared_checksum_of_known_content_saves_nobody_the_sending(alice, house, home):
    alice.upload(home, "a.txt", b"the same")

    declared = alice.declare(home, "b.txt", 8, checksum=THE_SAME).json()

    assert (declared["status"], declared["received_bytes"]) == ("pending", 0)
    assert problem(house.send(declared["url"], b"not this")) == (422, "checksum_mismatch")


def test_a_blob_goes_when_the_last_file_that_names_it_went_and_the_grace_is_over(
    alice, house, home
):
    one = alice.upload(home, "a.txt", b"the same")
    two = alice.upload(home, "b.txt", b"the same")

    assert alice.purge(one["id"]).status_code == 204
    house.clock.advance(seconds=GRACE)
    house.sweep()
    assert content(alice, two).content == b"the same"
    alice.purge(two["id"])
    house.clock.advance(seconds=GRACE - 1)
    house.sweep()
    assert len(house.stored_files()) == 1

    house.clock.advance(seconds=1)
    house.sweep()

    assert house.stored_files() == []
    assert used(alice, home) == 0


def test_the_same_content_sent_within_the_grace_saves_the_blob(alice, house, home):
    alice.purge(alice.upload(home, "a.txt", b"the same")["id"])
    before = house.stored_files()

    again = alice.upload(home, "b.txt", b"the same")
    house.clock.advance(seconds=GRACE)
    house.sweep()

    assert house.stored_files() == before
    assert content(alice, again).content == b"the same"


def test_the_same_content_sent_while_the_bytes_go_is_stored_anew(alice, house, home):
    alice.purge(alice.upload(home, "a.txt", b"the same")["id"])
    house.clock.advance(seconds=GRACE)
    (going,) = asyncio.run(house.store().write(lambda tx: tx.blobs.claim(tx.now, 10)))

    again = alice.upload(home, "b.txt", b"the same")
    (house.data / "blobs" / going).unlink()
    house.sweep()

    assert content(alice, again).content == b"the same"


def test_a_blob_that_is_named_after_all_never_goes(alice, house, home):
    file = alice.upload(home, "a.txt", b"kept")
    key = str(house.stored_files()[0].relative_to(house.data / "blobs"))
    asyncio.run(house.store().write(lambda tx: tx.blobs.doom(key)))

    house.sweep()

    assert content(alice, file).content == b"kept"


def flip(path):
    path.write_bytes(b"THE same")


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: os.truncate(p, 3), flip])
def test_new_bytes_take_the_place_of_earlier_ones_that_are_not_what_they_were(
    alice, house, home, harm
):
    old = alice.upload(home, "a.txt", b"the same")
    harm(house.stored_files()[0])

    new = alice.upload(home, "b.txt", b"the same")
    house.sweep()

    assert content(alice, new).content == content(alice, old).content == b"the same"
    assert len(house.stored_files()) == 1


def test_two_uploads_of_the_same_content_that_end_together_share_it(alice, house, home):
    declared = alice.declare(home, "a.txt", 8).json()

    answer = house.send_in_two(
        declared["url"], b"the ", lambda: alice.upload(home, "b.txt", b"the same"), b"same"
    )
    house.sweep()

    assert answer.status_code == 201
    assert len(house.stored_files()) == 1


def test_content_stored_between_the_look_and_the_row_is_looked_at_again(alice, house, home):
    alice.upload(home, "a.txt", b"the same")
    declared = alice.declare(home, "b.txt", 8).json()
    from_ = Caller("", Credential("upload_url", None), Origin("req"))

    def finish(tx):
        hold = receiving.hold_upload(tx, declared["id"], from_)
        receiving.finish_upload(
            tx, hold, Stored(8, THE_SAME, None), earlier=None, operator=NO_POLICY
        )

    with pytest.raises(receiving.EarlierUnseen):
        asyncio.run(house.store().write(finish))

    assert alice.get(f"uploads/{declared['id']}").json()["status"] == "pending"


def test_an_earlier_blob_that_went_between_the_look_and_the_row_is_not_named(alice, house, home):
    alice.purge(alice.upload(home, "a.txt", b"the same")["id"])
    house.clock.advance(seconds=GRACE)
    (going,) = asyncio.run(house.store().write(lambda tx: tx.blobs.claim(tx.now, 10)))
    declared = alice.declare(home, "b.txt", 8).json()
    from_ = Caller("", Credential("upload_url", None), Origin("req"))

    def finish(tx):
        hold = receiving.hold_upload(tx, declared["id"], from_)
        earlier = receiving.Earlier(going, is_sound=True)
        _, file = receiving.finish_upload(
            tx, hold, Stored(8, THE_SAME, None), earlier, operator=NO_POLICY
        )
        return file.content.blob_key, hold.blob_key

    named, fresh = asyncio.run(house.store().write(finish))
    assert named == fresh


def test_only_what_is_in_the_bin_is_deleted_for_good(alice, home):
    file = alice.upload(home, "a.txt", b"1")["id"]

    answer = alice.delete(f"files/{file}", params={"permanently": True})

    assert problem(answer) == (409, "not_in_bin")


def test_what_is_deleted_for_good_is_gone_with_every_version_and_frees_exactly_that(
    alice, house, home
):
    file = alice.upload(home, "a.txt", b"one")
    first = file["version_id"]
    alice.upload(home, "a.txt", b"three", on_conflict="replace")
    alice.post(f"files/{file['id']}/restore", version_id=first)
    assert used(alice, home) == 8

    alice.purge(file["id"])
    house.clock.advance(seconds=GRACE)
    house.sweep()

    assert used(alice, home) == 0
    assert problem(alice.get(f"files/{file['id']}")) == (404, "file_not_found")
    assert problem(alice.post(f"files/{file['id']}/restore")) == (404, "file_not_found")
    assert house.stored_files() == []


def test_what_was_in_the_bin_before_its_folder_outlives_the_folder(alice, home):
    docs = alice.post(f"workspaces/{home}/folders", name="docs").json()["id"]
    old = alice.upload(home, "old.txt", b"1", parent_id=docs)["id"]
    alice.delete(f"files/{old}")

    alice.purge(docs)

    assert alice.post(f"files/{old}/restore").json()["parent_id"] is None


def test_the_bin_empties_itself_once_the_days_are_over(alice, house, home):
    file = alice.upload(home, "a.txt", b"12345")["id"]
    alice.delete(f"files/{file}")
    house.clock.advance(seconds=30 * DAY - 1)
    house.sweep()
    assert used(alice, home) == 5

    house.clock.advance(seconds=1)
    house.sweep()

    assert used(alice, home) == 0
    binned = alice.get(f"workspaces/{home}/files", params={"bin": True}).json()["data"]
    assert binned == []
    last = alice.get("audit", params={"workspace": home, "action": "file:delete"}).json()["data"][0]
    assert (last["credential"]["type"], last["details"]["permanently"]) == ("retention", True)


def test_what_a_deleted_workspace_held_goes_as_the_bin_does(alice, house):
    other = alice.post("workspaces", name="Other").json()["id"]
    docs = alice.post(f"workspaces/{other}/folders", name="docs").json()["id"]
    alice.upload(other, "a.txt", b"12345", parent_id=docs)
    kept = alice.upload(alice.home(), "a.txt", b"12345")
    alice.delete(f"workspaces/{other}")
    house.clock.advance(seconds=30 * DAY - 1)
    house.sweep()
    assert len(house.stored_files()) == 2

    house.clock.advance(seconds=1)
    house.sweep()
    house.clock.advance(seconds=GRACE)
    house.sweep()

    assert len(house.stored_files()) == 1
    assert content(alice, kept).content == b"12345"


def test_a_bin_without_days_keeps_everything(house_with):
    house = house_with(DOORWARD_BIN_DAYS="0")
    alice = house.person("alice")
    home = alice.home()
    alice.delete(f"files/{alice.upload(home, 'a.txt', b'1')['id']}")

    house.clock.advance(seconds=10_000 * DAY)
    house.sweep()

    assert used(alice, home) == 1


def test_a_viewer_deletes_nothing_for_good(alice, bob, home):
    file = alice.upload(home, "a.txt", b"1")["id"]
    bob.home()
    alice.post(f"workspaces/{home}/members", user_id=bob.user_id, role="viewer")
    alice.delete(f"files/{file}")

    answer = bob.delete(f"files/{file}", params={"permanently": True})

    assert problem(answer) == (403, "permission_denied")


def test_processes_that_take_the_same_content_at_once_keep_it_once(tmp_path):
    body = b"x" * 100_000
    with ServerProcess(tmp_path / "data", "--workers", "2") as server:
        headers = {"Authorization": f"Bearer {server.token('alice')}"}
        with httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60) as http:
            home = http.get("/workspaces").json()["data"][0]["id"]

            def upload(number):
                declared = http.post(
                    f"/workspaces/{home}/uploads", json={"name": f"{number}", "size": len(body)}
                )
                return httpx2.put(declared.json()["url"], content=body, timeout=60).status_code

            with ThreadPoolExecutor(8) as writers:
                assert set(writers.map(upload, range(40))) == {201}
    with sqlite3.connect(tmp_path / "data" / "doorward.db") as database:
        (kept,) = database.execute("SELECT count(DISTINCT blob_key) FROM versions").fetchone()
    assert kept == 1


class Sharing(RuleBasedStateMachine):
    """Files by id, live and binned, against the server's own listing, bytes and quota."""

    alice: Person

    def __init__(self):
        super().__init__()
        self.home = self.alice.post("workspaces", name="Model").json()["id"]
        self.live: dict[str, bytes] = {}
        self.binned: dict[str, tuple[bytes, float]] = {}

    @rule(body=st.sampled_from([b"", b"a", b"bb"]))
    def send(self, body):
        self.live[self.alice.upload(self.home, "f", body)["id"]] = body

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def bin(self, data):
        file = data.draw(st.sampled_from(sorted(self.live)))
        assert self.alice.delete(f"files/{file}").status_code == 204
        self.binned[file] = (self.live.pop(file), self.alice.house.clock.now)

    @precondition(lambda self: self.binned)
    @rule(data=st.data())
    def restore(self, data):
        file = data.draw(st.sampled_from(sorted(self.binned)))
        assert self.alice.post(f"files/{file}/restore").status_code == 200
        self.live[file] = self.binned.pop(file)[0]

    @precondition(lambda self: self.binned)
    @rule(data=st.data())
    def purge(self, data):
        file = data.draw(st.sampled_from(sorted(self.binned)))
        gone = self.alice.delete(f"files/{file}", params={"permanently": True})
        assert gone.status_code == 204
        del self.binned[file]

    @rule(seconds=st.sampled_from([0, GRACE - 1, GRACE, 31 * DAY]))
    def sweep(self, seconds):
        self.alice.house.clock.advance(seconds=seconds)
        self.alice.house.sweep()
        over = self.alice.house.clock.now - 30 * DAY
        self.binned = {k: v for k, v in self.binned.items() if v[1] > over}

    @invariant()
    def what_is_named_is_there_and_counted(self):
        for file, body in self.live.items():
            assert self.alice.get(f"files/{file}/content").content == body
        held = [*self.live.values(), *(body for body, _ in self.binned.values())]
        assert used(self.alice, self.home) == sum(map(len, held))

    def teardown(self):
        for file in self.live:
            self.alice.delete(f"files/{file}")
        for file in [*self.live, *self.binned]:
            self.alice.delete(f"files/{file}", params={"permanently": True})
        self.alice.house.clock.advance(seconds=GRACE)
        self.alice.house.sweep()
        assert self.alice.house.stored_files() == []


def test_any_order_of_sending_deleting_restoring_and_sweeping_keeps_what_is_named(alice):
    class OfAlice(Sharing):
        pass

    OfAlice.alice = alice
    once = settings(
        max_examples=12,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OfAlice, settings=once)
