"""The benchmarks measure what they say: in turns, in pairs, and guards that do guard."""

import asyncio
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doorward.server.keys.format import mint_key
from doorward.standin import Standin

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks are no part of the package

from bench import __main__ as command
from bench import (
    guard_app,
    guard_http,
    guard_peers,
    guard_routes,
    http_client,
    measuring,
    scan,
    transfer,
    transfer_tus,
    transferring,
    trickling,
    tus_peers,
)


@pytest.fixture
def standin(tmp_path):
    return Standin.open(tmp_path)


@pytest.fixture
def trust(standin):
    with guard_peers.trust_in(standin) as trust:
        yield trust


def test_a_ratio_is_that_of_one_round_and_not_of_two_medians():
    # A machine twice as slow in two rounds of three must not show.
    found = measuring.ratio("a / b", [10, 200, 30], [5, 100, 10])

    assert found["value"] == 2
    assert found["spread"] == [2, 2.5]


def test_what_is_added_is_counted_within_one_round():
    assert measuring.added("a - b", [15, 105, 50], [10, 100, 20])["value"] == 5


def test_every_candidate_begins_a_round_as_often_as_any_other():
    began = []

    def candidate(name):
        async def run():
            began.append(name)

        return measuring.Candidate(run, 1)

    times = asyncio.run(measuring.time_in_turns({n: candidate(n) for n in "abc"}, 5))

    rounds = [began[i : i + 3] for i in range(0, len(began), 3)]
    assert [first for first, *_ in rounds] == list("abcabc")
    assert all(sorted(names) == list("abc") for names in rounds)
    assert {len(taken) for taken in times.values()} == {5}


def test_every_transfer_begins_a_round_as_often_as_any_other(monkeypatch):
    monkeypatch.setattr(transferring, "ROUNDS", 5)
    began = []

    def turn(name):
        return transferring.Turn(lambda: began.append(name) or 1.0)

    times = transferring.take_turns({name: turn(name) for name in "abc"})

    assert began[::3] == list("abcabc")
    assert {len(taken) for taken in times.values()} == {5}  # the first round only warms up


def _storing(sent, stores, kept):
    stores.mkdir()

    def run():
        (stores / "kept").write_bytes(kept(sent.read_bytes()))
        return 1.0

    return transferring.Turn(run, stores, [sent])


def test_a_server_that_lost_a_bit_is_never_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(transferring, "ROUNDS", 1)
    sent = transferring.content(tmp_path / "sent", 1000)
    honest = _storing(sent, tmp_path / "honest", lambda data: data)
    lossy = _storing(sent, tmp_path / "lossy", lambda data: data[:-1] + bytes([data[-1] ^ 1]))

    assert transferring.take_turns({"honest": honest}) == {"honest": [1.0]}
    with pytest.raises(RuntimeError, match="lossy has 0 of 1 files"):
        transferring.take_turns({"honest": honest, "lossy": lossy})


def test_nothing_is_sent_twice_and_nothing_is_left_of_the_turn_before(tmp_path, monkeypatch):
    monkeypatch.setattr(transferring, "ROUNDS", 3)
    sent, stores = transferring.content(tmp_path / "sent", 1000), tmp_path / "stores"
    stores.mkdir()
    seen = []

    def run():
        assert not any(stores.iterdir())
        seen.append(sent.read_bytes())
        (stores / "kept").write_bytes(seen[-1])
        return 1.0

    transferring.take_turns({"a": transferring.Turn(run, stores, [sent])})

    assert len(set(seen)) == 4
    assert {len(data) for data in seen} == {1000}


def test_parts_belong_to_the_benchmark_they_follow():
    assert command._asked(["guard", "transfer", "put", "tus", "start"]) == [
        ("guard", []),
        ("transfer", ["put", "tus"]),
        ("start", []),
    ]
    with pytest.raises(SystemExit, match="put is none of"):
        command._asked(["guard", "put"])


def test_a_part_that_fails_costs_no_other_part_its_figures(tmp_path, monkeypatch):
    def run(part):
        if part == "tus":
            raise RuntimeError("no answer")
        return [transferring.figure(f"of {part}", 1, "x")]

    monkeypatch.setattr(transfer, "run", run)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "QUICK", False)

    with pytest.raises(RuntimeError, match="no answer"):
        command.main(["transfer", "put", "tus", "create"])
    (written,) = tmp_path.iterdir()
    assert [found["what"] for found in json.loads(written.read_text())["figures"]] == ["of put"]


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(SystemExit, match="nothing is none of put, "):
        transfer.run("nothing")


@pytest.fixture
def answering():
    """A server that gives what it is told on every connection, and keeps what it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def _serve_once(listener, answer, until):
    """Answer one request of one connection; gives a thread whose result is the request."""

    def serve():
        taken, _ = listener.accept()
        got = b""
        with taken:
            while not got.endswith(until):
                got += taken.recv(65536)
            taken.sendall(answer)
        return got

    return ThreadPoolExecutor(1).submit(serve)


def test_the_client_sends_just_the_piece_of_a_file_and_reads_the_answer(answering, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    answer = b"HTTP/1.1 104 Later\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nbody"
    request = _serve_once(answering, answer, b"\r\n\r\n3456")
    url = f"http://127.0.0.1:{answering.getsockname()[1]}/path?query=1"

    with http_client.Connection(url) as connection:
        found = connection.ask("PATCH", url, {"A": "b"}, http_client.Piece(file, 3, 4), keep=True)

    assert (found.status, found.length, found.body) == (201, 4, b"body")
    head = request.result(10).partition(b"\r\n\r\n")[0].decode()
    assert head.splitlines()[0] == "PATCH /path?query=1 HTTP/1.1"
    assert {"A: b", "Content-Length: 4"} <= set(head.splitlines())


def test_an_answer_that_is_cut_is_not_taken_for_a_whole_one(answering):
    request = _serve_once(
        answering, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"\r\n\r\n"
    )
    url = f"http://127.0.0.1:{answering.getsockname()[1]}/"

    with http_client.Connection(url) as connection, pytest.raises(ConnectionError):
        connection.ask("GET", url, {})
    request.result(10)


def test_without_go_tusd_is_left_out_and_that_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert tus_peers.tusd_program() is None
    assert "LOUD: there is no Go toolchain" in capsys.readouterr().out


def test_a_peer_that_no_registry_gives_is_left_out_and_that_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "kept"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_OFFLINE", "1")

    assert tus_peers.python_with("tussi") is None
    assert tus_peers.python_with("tussi") is None  # what was begun is not taken for whole
    assert capsys.readouterr().out.count("LOUD: tussi can't be installed") == 2


def test_a_piece_that_is_not_acknowledged_whole_is_never_measured(answering, tmp_path):
    sent = transferring.content(tmp_path / "sent", 1000)
    answer = b"HTTP/1.1 204 No Content\r\nUpload-Offset: 999\r\n\r\n"
    request = _serve_once(answering, answer, sent.read_bytes())
    url = f"http://127.0.0.1:{answering.getsockname()[1]}/files/id"
    server = transfer_tus.Server(url, tmp_path)

    with http_client.Connection(url) as connection, pytest.raises(RuntimeError, match="at 999"):
        transfer_tus._send(server, connection, url, sent)
    assert b"Upload-Offset: 0" in request.result(10)


def test_an_upload_that_the_server_ends_is_not_counted_as_trickling():
    async def scene():
        taken = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            taken.set_result((head, await reader.readexactly(10)))
            writer.close()

        trickle = trickling.Trickle(10, 1000)
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            tasks = await trickle.start([f"http://127.0.0.1:{port}/transfer/a?signature=b"])
            head, first = await taken
            await asyncio.gather(*tasks)
        return head, first, trickle

    head, first, trickle = asyncio.run(asyncio.wait_for(scene(), 30))

    assert head.startswith(b"PUT /transfer/a?signature=b HTTP/1.1\r\n")
    assert b"Content-Length: 1000\r\n" in head
    assert first == bytes(10)
    assert (trickle.going, trickle.sent) == (0, 10)


def test_every_guard_that_is_measured_lets_in_a_good_token_and_refuses_a_forged_one(standin, trust):
    asyncio.run(guard_routes.check(trust, guard_peers.mint(standin)))


def test_a_guard_that_lets_all_in_is_never_measured(standin, trust, monkeypatch):
    monkeypatch.setattr(guard_routes, "guarded", lambda _name, _trust: guard_app.application())

    with pytest.raises(AssertionError):
        asyncio.run(guard_routes.check(trust, guard_peers.mint(standin)))


def test_a_server_that_lets_all_in_is_never_measured(standin, trust):
    with guard_http.served(guard_app.UNGUARDED, trust) as server:
        guard_http.check(guard_app.UNGUARDED, server, standin)
        with pytest.raises(RuntimeError, match="answers 200 instead of 401"):
            guard_http.check(guard_app.MIDDLEWARE, server, standin)


def test_both_of_our_servers_refuse_a_revoked_session(standin, trust):
    for name in (guard_app.MIDDLEWARE, guard_app.DEPENDENCY):
        with guard_http.served(name, trust) as server:
            guard_http.check(name, server, standin)


def test_without_wrk_nothing_is_measured_over_http_and_that_is_said(
    standin, trust, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert guard_http.measure(standin, trust, []) == []
    assert "LOUD: wrk is not installed" in capsys.readouterr().out


def test_a_peer_that_is_not_installed_is_left_out_and_that_is_said(monkeypatch, capsys):
    monkeypatch.setitem(guard_peers._PEERS, "absent", ("no-such-distribution-here", None))
    guard_peers.peers.cache_clear()

    assert "absent" not in guard_peers.peers()
    guard_peers.peers.cache_clear()
    assert "LOUD: no-such-distribution-here is not installed" in capsys.readouterr().out


def test_the_search_for_keys_and_its_peer_find_the_same(tmp_path):
    content = tmp_path / "content"
    content.write_text(f"a\n{mint_key('live').text}\nb {mint_key('test').text} c\n")

    assert scan.search(content) == scan.grep(content) == 2
