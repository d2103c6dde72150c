"""Heads are signed over what is committed, kept where only their end grows, and sent on."""

import json
import stat
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doorward.server.audit import keeping
from doorward.server.audit.keeping import HeadsFile, heads_files, kept_witness, make_signer
from doorward.server.audit.signing import KeyUnreadable, Signer, Witness
from server.audit.test_tampering import change
from server.audit.trails import busy, copied, rows, settled, verdict


def heads(house) -> list[dict]:
    lines = (house.data / "audit-heads.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_each_chain_that_grew_gets_a_head_that_the_public_key_confirms(house):
    busy(house)
    house.attest()

    found = {head["chain"]: head for head in heads(house)}
    ends = verdict(house.data).chains
    assert {chain: (h["position"], h["hash"]) for chain, h in found.items()} == {
        chain: (end.position, end.hash) for chain, end in ends.items()
    }
    assert all(kept_witness(house.data).confirms(head, "head") for head in heads(house))


def test_a_chain_that_did_not_grow_gets_no_new_head(house):
    busy(house)
    house.attest()
    before = heads(house)
    house.attest()
    assert heads(house) == before

    house.person("eve").post("workspaces", name="more")
    house.attest()
    assert [head["chain"] for head in heads(house)[len(before) :]] == ["user:user_eve"]


def test_a_stop_attests_what_was_committed_last(house):
    busy(house)
    house.client.__exit__(None, None, None)

    ends = verdict(house.data).chains
    house.client.__enter__()
    assert {(h["chain"], h["position"]) for h in heads(house)} == {
        (chain, end.position) for chain, end in ends.items()
    }


def test_the_key_is_for_the_owner_alone_and_made_once(house):
    key = house.data / "audit-key.pem"
    before = key.read_text()
    make_signer(house.data)

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() == before
    assert "PRIVATE" not in (house.data / "audit-public.pem").read_text()
    assert "PRIVATE" not in repr(Signer.read(before).__dict__)


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_key_is_told_as_that(text):
    for kind in (Signer, Witness):
        with pytest.raises(KeyUnreadable):
            kind.read(text)


def test_a_key_that_can_not_be_read_stops_the_start_with_what_to_do(house, settings_for):
    from doorward.server.app import create_app
    from doorward.server.settings import SettingsInvalid

    (house.data / "audit-key.pem").write_text("damaged")

    with pytest.raises(SettingsInvalid, match=r"audit-key\.pem, can't be read: restore it"):
        create_app(settings_for())


def test_a_broken_chain_is_told_and_attested_no_more(house, caplog):
    busy(house)
    house.attest()
    before = heads(house)
    ((last,),) = rows(house.data, "SELECT max(position) FROM audit WHERE chain = 'user:user_eve'")
    change(house.data, "DROP TRIGGER audit_delete")
    change(house.data, "DELETE FROM audit WHERE chain = 'user:user_eve' AND position = ?", last)

    house.person("eve").post("workspaces", name="grows over it")
    house.attest()

    assert [head["chain"] for head in heads(house)[len(before) :]] == []
    assert "user:user_eve is broken" in caplog.text
    assert not verdict(house.data).sound


def test_only_one_process_writes_heads_at_a_time(tmp_path):
    one, other = HeadsFile(tmp_path), HeadsFile(tmp_path)

    assert one.hold()
    assert one.hold()
    assert not other.hold()
    one.close()
    assert other.hold()
    other.close()


def test_a_line_that_a_crash_left_half_written_is_cut_off(house):
    busy(house)
    house.attest()
    house.client.app._app._attesting._file.close()
    path = house.data / "audit-heads.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"chain":"house","fo')

    file = HeadsFile(house.data)
    assert file.hold()
    file.close()

    assert path.read_bytes() == whole


def test_a_long_file_of_heads_is_set_aside_and_all_still_count(house, monkeypatch, tmp_path):
    monkeypatch.setattr(keeping, "TURN_BYTES", 100)
    busy(house)
    house.attest()
    house.person("eve").post("workspaces", name="more")
    house.attest()

    files = heads_files(house.data)
    assert len(files) == 3
    assert verdict(house.data).sound
    copy = copied(house.data, tmp_path / "copy")
    change(copy, "DELETE FROM audit WHERE chain = 'house'")
    assert not verdict(copy).sound

    HeadsFile(house.data).forget(before=2e12)
    assert [path.name for path in heads_files(house.data)] == ["audit-heads.jsonl"]
    assert verdict(house.data).sound


@contextmanager
def witness(statuses):
    """Somebody else's server that takes heads, or not."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0) if statuses else 204
            if status == 204:
                taken.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.2", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.2:{server.server_port}/heads", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_heads_are_sent_on_each_once_and_again_after_a_failure(house_with):
    with witness([503]) as (url, taken):
        house = house_with(DOORWARD_AUDIT_HEADS_URL=url, DOORWARD_OUTBOUND_ALLOW="127.0.0.2/32")
        busy(house)
        house.attest()
        assert taken == []
        house.attest()
        house.person("eve").post("workspaces", name="more")
        settled(house)
        house.attest()
        house.attest()

        assert b"".join(taken) == (house.data / "audit-heads.jsonl").read_bytes()
        assert len(taken) == 2


def test_heads_are_never_sent_where_outgoing_requests_may_not_go(house_with):
    with witness([]) as (url, taken):
        house = house_with(DOORWARD_AUDIT_HEADS_URL=url)
        busy(house)
        house.attest()

    assert taken == []
    assert len(heads(house)) == 3
