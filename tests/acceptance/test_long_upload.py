"""An upload of two hours, by the stand-in's clock, on a session token of a minute (U3, B2)."""

import json
from base64 import urlsafe_b64decode

import httpx2
import pytest

from doorward.standin import Standin
from support import ServerProcess

MINUTES = 120
MINUTE_BYTES = 10_000
CONTENT = bytes(range(250)) * (MINUTES * MINUTE_BYTES // 250)
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def server(tmp_path):
    with ServerProcess(tmp_path / "data") as one:
        yield one


@pytest.fixture
def standin(server) -> Standin:
    return Standin.open(server.data / "standin")


@pytest.fixture
def token(standin) -> str:
    return standin.mint("alice", ttl=60)


@pytest.fixture
def upload(server, token) -> str:
    """Declare an upload, with what is to be the last use of the token."""
    mine = {"Authorization": f"Bearer {token}"}
    workspaces = httpx2.get(f"{server.url}/api/v1/workspaces", headers=mine).json()["data"]
    created = httpx2.post(
        f"{server.url}/transfer/workspaces/{workspaces[0]['id']}",
        headers=TUS | mine | {"Upload-Length": str(len(CONTENT))},
    )
    return created.headers["location"]


def send_minute(http, upload: str, minute: int):
    offset = minute * MINUTE_BYTES
    headers = TUS | {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
    }
    return http.patch(upload, content=CONTENT[offset : offset + MINUTE_BYTES], headers=headers)


def session_of(token: str) -> str:
    payload = token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"]


def test_it_outlives_its_token_by_two_hours_and_becomes_the_file(server, standin, token, upload):
    with httpx2.Client(timeout=60) as http:
        for minute in range(MINUTES):
            done = send_minute(http, upload, minute)
            assert done.status_code == 204, minute
            standin.advance(60)
        with_token = {"Authorization": f"Bearer {token}"}
        assert http.get(f"{server.url}/api/v1/workspaces", headers=with_token).status_code == 401

        fresh = {"Authorization": f"Bearer {standin.mint('alice')}"}
        location = done.headers["content-location"]
        file = http.get(f"{server.url}{location}/content", headers=fresh)

    assert file.content == CONTENT


def test_with_the_session_revoked_its_next_request_is_refused(server, standin, token, upload):
    with httpx2.Client(timeout=60) as http:
        for minute in range(MINUTES // 2):
            assert send_minute(http, upload, minute).status_code == 204
            standin.advance(60)
        assert standin.revoke(session_of(token))

        answers = [
            send_minute(http, upload, MINUTES // 2),
            http.head(upload, headers=TUS),
            http.options(upload),
            http.put(upload, content=CONTENT),
            http.delete(upload, headers=TUS),
        ]
        fresh = {"Authorization": f"Bearer {standin.mint('alice')}"}
        workspaces = http.get(f"{server.url}/api/v1/workspaces", headers=fresh).json()["data"]
        files = f"{server.url}/api/v1/workspaces/{workspaces[0]['id']}/files"

        assert [answer.status_code for answer in answers] == [404] * 5
        assert http.get(files, headers=fresh).json()["data"] == []
