"""The HTTP server's bounds, over real connections."""

import socket
from urllib.parse import urlsplit

import pytest

from support import ServerProcess

SENT_BYTES_MAX = 8 << 20


@pytest.mark.parametrize("without_end", [b"a: b\r\n" * 10_000, b"a" * 60_000], ids=["many", "one"])
def test_what_follows_a_body_and_never_ends_ends_the_connection(tmp_path, without_end):
    with ServerProcess(tmp_path / "data") as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as client:
            client.sendall(b"POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"0\r\nlast: ")

            sent = send_until_cut(client, without_end)

    assert sent < SENT_BYTES_MAX


def send_until_cut(client: socket.socket, piece: bytes) -> int:
    sent = 0
    while sent < SENT_BYTES_MAX:
        try:
            client.sendall(piece)
        except OSError:
            break
        sent += len(piece)
    return sent
