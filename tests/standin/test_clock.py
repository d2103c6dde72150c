import sqlite3
import subprocess
import sys
import threading

import pytest

from doorward.clerk.jwks import PemKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from doorward.standin import Standin
from doorward.standin.file import NAME
from support import NOON

ADVANCE = """
import sys
from pathlib import Path
from doorward.standin import Standin
Standin.open(Path(sys.argv[1])).advance(float(sys.argv[2]))
"""

OLDER = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, org_id TEXT, org_role TEXT,
  org_permissions TEXT NOT NULL, status TEXT NOT NULL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL
);
INSERT INTO sessions VALUES
  ('sess_1', 'user_alice', 'org_acme', 'org:admin', 'org:a:b', 'active', 1790000000, 1790000000),
  ('sess_2', 'user_bob', NULL, NULL, '', 'revoked', 1790000000, 1790000000);
"""


def test_time_that_is_moved_is_the_time_of_every_token(standin):
    standin.advance(7200)

    assert standin.now == NOON + 7200
    verifier = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: standin.now)
    claims = verifier.verify_sync(standin.mint("alice", ttl=60))
    assert claims["iat"] == NOON + 7200


def test_a_token_expires_when_the_clock_is_moved(standin):
    verifier = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: standin.now)
    token = standin.mint("alice", ttl=60)

    standin.advance(30)
    assert verifier.verify_sync(token)
    standin.advance(60)
    with pytest.raises(Exception, match="expired"):
        verifier.verify_sync(token)


def test_moves_add_up_until_they_are_taken_back(standin):
    standin.advance(10)
    standin.advance(-3)
    assert standin.clock_offset == 7

    standin.set_clock_offset(0)

    assert standin.now == NOON


def test_a_move_in_another_process_is_seen_at_once(standin):
    assert standin.now == NOON

    subprocess.run([sys.executable, "-c", ADVANCE, standin.folder, "90"], check=True)

    assert standin.now == NOON + 90


def test_every_thread_sees_a_move(standin):
    seen = []
    looked, moved = threading.Event(), threading.Event()

    def look():
        seen.append(standin.now)
        looked.set()
        moved.wait(60)
        seen.append(standin.now)

    thread = threading.Thread(target=look)
    thread.start()
    looked.wait(60)
    standin.advance(5)
    moved.set()
    thread.join()

    assert seen == [NOON, NOON + 5]


def test_the_house_goes_by_the_same_time(house):
    house.standin.advance(3600)

    me = {"headers": {"Authorization": f"Bearer {house.standin.mint('alice')}"}}
    assert house.client.get("/api/v1/me", **me).status_code == 200
    house.standin.advance(120)
    assert house.client.get("/api/v1/me", **me).status_code == 401


def test_a_folder_of_an_older_doorward_opens_with_its_sessions_and_people(tmp_path, clock):
    with sqlite3.connect(tmp_path / NAME) as older:
        older.executescript(OLDER)
    older.close()

    standin = Standin.open(tmp_path, clock=clock)

    session = standin.session("sess_1")
    assert (session.org_role, session.org_permissions) == ("org:admin", ("org:a:b",))
    assert standin.session("sess_2").status == "revoked"
    assert standin.user("bob")["id"] == "user_bob"
    assert standin.sign_in("alice", org="acme", role="admin").org_id == "org_acme"
    assert '"rol":"admin"' in payload_text(standin.token(session))


def payload_text(token):
    from base64 import urlsafe_b64decode

    part = token.split(".")[1]
    return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
