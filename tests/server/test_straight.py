"""Bodies moved straight between sockets, threads and the disk lose nothing of HTTP (U2, U11)."""

import asyncio
import json
import logging
import socket
import threading

import pytest

from doorward.server.problems import ContentInterrupted
from doorward.server.serve import _config, _Server
from doorward.server.straight import Outlet
from served import Connection, ServedHouse

MIB = 1 << 20
CONTENT = bytes(range(256)) * (16 * MIB // 256 + 1)
CONTENT = b"plain text, by its first bytes\n" + CONTENT[: 16 * MIB]
TUS = {"tus_resumable": "1.0.0", "content_type": "application/offset+octet-stream"}


@pytest.fixture
def house(settings_for, empty_folder, clock):
    del empty_folder
    with ServedHouse(settings_for(), clock) as served:
        yield served


@pytest.fixture
def connection(house):
    with house.connect() as one:
        yield one


def stored(house, answer) -> bytes:
    assert answer.status == 201, answer.body
    return house.http.get(f"files/{json.loads(answer.body)['id']}/content").content


def upload(house, content: bytes) -> str:
    with house.connect() as one:
        one.send("PUT", house.declare("a.txt", len(content)), content)
        answer = one.answer()
    return f"/api/v1/files/{json.loads(answer.body)['id']}/content"


def test_a_body_is_followed_on_its_connection_by_the_next_request(house, connection):
    target = house.declare("a.txt", len(CONTENT))
    offset = 0
    for size in (3 * MIB, 5 * MIB + 1, 4 * MIB):
        piece = CONTENT[offset : offset + size]
        connection.send("PATCH", target, piece, upload_offset=str(offset), **TUS)
        connection.send("HEAD", target, tus_resumable="1.0.0")
        offset += size

        appended, asked = connection.answer(), connection.head()
        assert (appended.status, asked.status) == (204, 200)
        assert appended.headers["upload-offset"] == asked.headers["upload-offset"] == str(offset)

    connection.send("PATCH", target, CONTENT[offset:], upload_offset=str(offset), **TUS)
    done = connection.answer()
    assert done.status == 204
    location = done.headers["content-location"]
    assert house.http.get(f"{house.url}{location}/content").content == CONTENT


@pytest.mark.parametrize("size", [1, 64 * 1024, 256 * 1024 - 1, 256 * 1024, MIB, len(CONTENT)])
def test_a_body_of_any_size_is_stored_as_it_was_sent(house, connection, size):
    content = CONTENT[:size]
    connection.send("PUT", house.declare("a.txt", size), content)

    assert stored(house, connection.answer()) == content


def test_a_body_in_chunks_is_taken_too(house, connection):
    content = CONTENT[: 3 * MIB]
    chunked = b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (content[: MIB + 1], content[MIB + 1 :])
    )
    head = f"PUT {house.declare('a.txt', len(content))} HTTP/1.1\r\nHost: x\r\n"
    connection.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    connection.socket.sendall(chunked + b"0\r\n\r\n")

    assert stored(house, connection.answer()) == content


def test_a_client_that_waits_for_a_word_to_go_on_gets_it(house, connection):
    target = house.declare("a.txt", len(CONTENT))
    length = str(len(CONTENT))
    connection.send("PUT", target, content_length=length, expect="100-continue")
    assert connection.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.socket.sendall(CONTENT)

    assert stored(house, connection.answer()) == CONTENT


def test_what_came_before_a_connection_ended_is_kept(house):
    target = house.declare("a.txt", len(CONTENT))
    with house.connect() as cut:
        cut.send("PUT", target, CONTENT[: 9 * MIB], content_length=str(len(CONTENT)))
    with house.connect() as one:
        one.send("HEAD", target, tus_resumable="1.0.0")
        offset = int(one.head().headers["upload-offset"])
        one.send("PATCH", target, CONTENT[offset:], upload_offset=str(offset), **TUS)
        done = one.answer()

    assert offset <= 9 * MIB
    assert done.status == 204
    location = done.headers["content-location"]
    assert house.http.get(f"{house.url}{location}/content").content == CONTENT


def test_who_stalls_in_the_middle_learns_that_another_took_over(house):
    target = house.declare("a.txt", len(CONTENT))
    with house.connect() as stalled, house.connect() as other:
        stalled.send("PUT", target, CONTENT[: 9 * MIB], content_length=str(len(CONTENT)))
        other.send("HEAD", target, tus_resumable="1.0.0")
        offset = int(other.head().headers["upload-offset"])
        other.send("PATCH", target, CONTENT[offset:], upload_offset=str(offset), **TUS)
        done, told = other.answer(), stalled.answer()

    assert (done.status, told.status) == (204, 409)
    assert json.loads(told.body)["code"] == "upload_superseded"
    assert told.headers["connection"] == "close"


def test_a_refusal_of_the_first_bytes_is_read_by_who_is_still_sending(house, connection):
    workspace = house.http.get("workspaces").json()["data"][0]["id"]
    policy = {"policy": {"allowed_types": ["text/plain"]}}
    assert house.http.patch(f"workspaces/{workspace}", json=policy).status_code == 200
    png = b"\x89PNG\r\n\x1a\n" + CONTENT
    target = house.declare("a.txt", len(png), content_type="text/plain")
    connection.send("PUT", target, png)

    answer = connection.answer()

    assert (answer.status, json.loads(answer.body)["code"]) == (415, "media_type_refused")


def test_a_wrong_checksum_is_found_in_what_threads_took(house, connection):
    checksum = f"sha256:{'0' * 64}"
    connection.send("PUT", house.declare("a.txt", len(CONTENT), checksum=checksum), CONTENT)

    answer = connection.answer()

    assert (answer.status, json.loads(answer.body)["code"]) == (422, "checksum_mismatch")


def test_a_server_that_stops_takes_the_body_first_and_then_no_further_request(house, connection):
    target = house.declare("a.txt", len(CONTENT))
    connection.send("PUT", target, CONTENT[: 9 * MIB], content_length=str(len(CONTENT)))
    asked = {"status": "pending"}
    while asked["status"] == "pending":  # until it has the upload in hand
        upload_id = target.split("/")[-1].partition("?")[0]
        asked = house.http.get(f"uploads/{upload_id}").json()
    house.server.should_exit = True
    connection.socket.sendall(CONTENT[9 * MIB :])

    answer = connection.answer()

    assert answer.status == 201
    assert connection.rest() == b""


def test_downloads_follow_one_another_on_a_connection(house, connection):
    target = upload(house, CONTENT)
    mine = house.mine()
    connection.send("GET", target, **mine)
    connection.send("GET", target, range="bytes=1000-9000000", **mine)
    connection.send("HEAD", target, **mine)
    connection.send("GET", target, range="bytes=0-99,5000000-8999999", **mine)

    assert connection.answer().body == CONTENT
    assert connection.answer().body == CONTENT[1000:9000001]
    assert connection.head().headers["content-length"] == str(len(CONTENT))
    parts = connection.answer().body
    assert CONTENT[:100] in parts
    assert CONTENT[5_000_000:9_000_000] in parts


def test_a_reader_who_leaves_in_the_middle_is_no_fault_of_the_server(house, caplog):
    target = upload(house, CONTENT)
    with caplog.at_level(logging.WARNING):
        for taken in (100, MIB, 3 * MIB):
            with house.connect() as leaving:
                leaving.send("GET", target, **house.mine())
                leaving.socket.recv(taken)
        again = house.http.get(f"{house.url}{target}").content

    assert again == CONTENT
    assert [record.getMessage() for record in caplog.records] == []


def test_a_download_that_nobody_reads_is_cut_with_its_link(house):
    content = CONTENT * 2
    file_id = upload(house, content).split("/")[4]
    link = house.http.post(f"files/{file_id}/link", json={}).json()
    with house.connect() as reader:
        reader.send("GET", link["url"].removeprefix(house.url))
        assert reader.head().status == 200
        assert house.http.delete(f"links/{link['id']}").status_code == 204
        while (sent := house.http.get(f"links/{link['id']}").json()["bytes"]) == len(content):
            pass  # what was promised is counted until the download ends
        taken = reader.rest()

    assert len(taken) <= sent < len(content)
    assert content.startswith(taken)


def test_after_the_kill_was_answered_the_system_is_given_nothing_more_of_a_download(house):
    file_id = upload(house, CONTENT * 2).split("/")[4]
    link = house.http.post(f"files/{file_id}/link", json={}).json()
    with house.connect() as reader:
        reader.send("GET", link["url"].removeprefix(house.url))
        assert reader.head().status == 200
        assert house.http.delete(f"links/{link['id']}").status_code == 204
        given = reader.on_its_way()
        taken = reader.rest()

    assert 0 < len(taken) <= given


def test_a_blob_that_lost_bytes_is_told_before_the_head_is_sent(house, connection):
    target = upload(house, CONTENT)
    for blob in (house.data / "blobs").rglob("*"):
        if blob.is_file():
            blob.write_bytes(CONTENT[:MIB])
    connection.send("GET", target, **house.mine())

    answer = connection.answer()

    assert (answer.status, json.loads(answer.body)["code"]) == (502, "storage_failed")


def test_letting_go_waits_for_no_thread_and_the_socket_closes_once_that_is_done():
    async def let_go():
        ours, theirs = socket.socketpair()
        outlet = Outlet(ours.fileno())
        working, free = threading.Event(), threading.Event()

        def work():
            with outlet._using():
                working.set()
                assert free.wait(30)

        thread = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.to_thread(working.wait, 30)
        outlet.close()  # would stop the loop, and with it this test, if it waited
        still_open = outlet._socket.fileno() != -1
        free.set()
        await thread
        ours.close()
        theirs.close()
        with pytest.raises(ContentInterrupted):
            outlet.push(0, 0, 1)
        await outlet.ready()  # of what is closed, nobody waits for anything
        return still_open, outlet._socket.fileno()

    assert asyncio.run(let_go()) == (True, -1)


class LastBytes:
    """A stretch that ends only once its reader has closed the connection."""

    def __init__(self, receive):
        self._receive = receive

    async def send(self, outlet, sent):
        sent(5)
        while (await self._receive())["type"] != "http.disconnect":
            pass
        assert outlet.closed


def test_a_reader_who_closes_with_the_last_byte_is_no_fault_of_the_server(settings_for, caplog):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        head = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"5")],
        }
        await send(head)
        await scope["extensions"]["doorward.send_stretch"](LastBytes(receive), lambda _: None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        served.set()

    served, started = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(_config(settings_for(), app), settings_for(), lambda _: started.set())
    server.config.lifespan = "off"
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    assert started.wait(60)
    with caplog.at_level(logging.WARNING):
        with Connection(listener.getsockname()[1]) as reader:
            reader.send("GET", "/")
            assert reader.head().status == 200
        ended = served.wait(30)
        server.should_exit = True
        thread.join(60)

    assert ended
    assert [record.getMessage() for record in caplog.records] == []
