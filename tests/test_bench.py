"""The benchmarks measure what they say: in turns, in pairs, and guards that do guard."""

import asyncio
import sys
from pathlib import Path

import pytest

from doorward.standin import Standin

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks are no part of the package

from bench import guard_app, guard_http, guard_peers, guard_routes, measuring


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
