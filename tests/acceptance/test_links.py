"""Signed links across processes, and over real sockets."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest

from doorward.client import Doorward
from support import ServerProcess

BIG_BYTES = 64 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("links") / "data", "--workers", "2") as server:
        yield server


@pytest.fixture(scope="module")
def alice(server):
    with Doorward(server.url, server.token("alice")) as client:
        yield client


@pytest.fixture(scope="module")
def home(alice):
    return next(one.id for one in alice.workspaces() if one.home)


def sent(alice, home, tmp_path, size):
    path = tmp_path / f"{size}.bin"
    path.write_bytes(os.urandom(size))
    return alice.upload_file(path, home)


def test_of_many_at_once_in_two_processes_one_gets_the_only_use(alice, home, tmp_path):
    file = sent(alice, home, tmp_path, 100_000)
    for _ in range(5):
        url = alice.link(file.id, uses=1).url
        with ThreadPoolExecutor(12) as threads:  # each with a connection of its own
            answers = list(threads.map(lambda _, url=url: httpx2.get(url).status_code, range(24)))

        assert sorted(answers) == [200] + [410] * 23


def test_guessing_in_two_processes_at_once_is_bounded_together(alice, home, tmp_path):
    file = sent(alice, home, tmp_path, 10)
    url = alice.link(file.id, password="open sesame").url

    def guess(number):
        return httpx2.get(url, headers={"Doorward-Link-Password": f"guess {number}"}).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(guess, range(30)))

    assert answers == [403] * 10 + [429] * 20


@pytest.mark.parametrize("reading", [True, False], ids=["read", "stalled"])
def test_a_download_under_way_ends_when_another_process_kills_its_link(
    alice, home, tmp_path, reading
):
    file = sent(alice, home, tmp_path, BIG_BYTES)
    made = alice.link(file.id)
    parts = urlsplit(made.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(head.encode())
        received = len(connection.recv(1 << 16))
        alice.kill_link(made.id)
        if not reading:
            time.sleep(1.2)
        began = time.monotonic()
        while part := connection.recv(1 << 14):
            received += len(part)
            time.sleep(0.002 if reading else 0)
        seconds = time.monotonic() - began

    assert received < BIG_BYTES
    assert seconds < 3  # the rest of what the kernel held
    assert httpx2.get(made.url).status_code == 410
