"""Of bytes that come after a revocation none is ever acknowledged, whoever asks for the offset."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

import pytest

V1 = {"tus-resumable": "1.0.0"}


@dataclass
class Upload:
    """An upload of Bob's in a workspace of Alice's, and what ends the right to send its bytes."""

    id: str
    url: str
    end: object


class There(NamedTuple):
    """A house with Alice's workspace, which Bob may edit in."""

    house: object
    alice: object
    bob: object
    shared: str


def of_a_session(there):
    declared = there.bob.declare(there.shared, "a.txt", 10)
    trail = there.alice.get("audit", params={"workspace": there.shared}).json()["data"]
    session = next(row for row in trail if row["action"] == "upload:create")["credential"]["id"]
    return declared, lambda: there.house.standin.revoke(session)


def of_a_key(there):
    key = there.bob.key("files:write")
    return key.declare(there.shared, "a.txt", 10), lambda: there.bob.delete(f"keys/{key.id}")


def of_a_token(there):
    lent = there.bob.lend(there.bob.key("files:write"))
    return (
        lent.declare(there.shared, "a.txt", 10),
        lambda: there.bob.post("token/revoke", token=lent.secret),
    )


def of_a_member(there):
    declared = there.bob.declare(there.shared, "a.txt", 10)
    return declared, lambda: there.alice.delete(f"workspaces/{there.shared}/members/user_bob")


def of_a_link(there):
    declared = there.bob.declare(there.shared, "a.txt", 10)
    (row,) = there.bob.get("links", params={"resource": declared.json()["id"]}).json()["data"]
    return declared, lambda: there.bob.delete(f"links/{row['id']}")


@pytest.fixture(params=[of_a_session, of_a_key, of_a_token, of_a_member, of_a_link])
def upload(request, house, alice, bob):
    shared = alice.post("workspaces", name="Plans").json()["id"]
    alice.post(f"workspaces/{shared}/members", user_id="user_bob", role="editor")
    declared, end = request.param(There(house, alice, bob, shared))
    assert declared.status_code == 201, declared.text

    return Upload(declared.json()["id"], declared.json()["url"], end)


def send_around(house, upload, first: bytes, rest: bytes):
    """Send a part of which the rest comes only after the right to send it has ended.

    Without a rest the connection is cut there.
    """

    async def receive():
        nonlocal first
        if first:
            part, first = first, b""
            return {"type": "http.request", "body": part, "more_body": True}
        await asyncio.to_thread(upload.end)
        if not rest:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": rest, "more_body": False}

    sent = [("content-type", "application/offset+octet-stream"), ("upload-offset", "0")]
    pairs = [(name.encode(), value.encode()) for name, value in (*sent, *V1.items())]
    return asyncio.run(house._drive("PATCH", upload.url, receive, headers=pairs))


def received(alice, upload) -> int:
    """What a fellow member is told of the upload."""
    return alice.get(f"uploads/{upload.id}").json()["received_bytes"]


def test_a_part_whose_rest_comes_after_the_revocation_is_not_acknowledged(house, alice, upload):
    answer = send_around(house, upload, b"12", b"345")

    assert answer.status_code in {404, 410}
    assert received(alice, upload) == 0


def test_a_whole_whose_rest_comes_after_the_revocation_makes_no_file(house, alice, upload):
    answer = send_around(house, upload, b"12", b"34567890")

    assert answer.status_code in {404, 410}
    assert alice.get(f"uploads/{upload.id}").json()["status"] != "complete"
    assert received(alice, upload) == 0


def test_what_came_before_a_cut_is_not_acknowledged_after_the_revocation(house, alice, upload):
    send_around(house, upload, b"12", b"")

    assert received(alice, upload) == 0
