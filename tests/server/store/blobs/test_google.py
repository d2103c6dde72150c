"""Bytes kept in Google's storage, by a server of its API on loopback."""

import json
import logging
import os
import random
import shutil
import subprocess
import sys

import pytest

from google_server import Account, Gate, GoogleServer, asking_s3
from support import problem

MIB = 1 << 20


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    with GoogleServer(tmp_path_factory.mktemp("google")) as server:
        server.make_bucket("files")
        yield server


@pytest.fixture
def account(tmp_path, monkeypatch):
    """An account whose file is named by the variable of Google's libraries, as obstore reads it."""
    account = Account()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account.write(tmp_path / "google.json"))
    return account


@pytest.fixture
def gate(account, google):
    with Gate(account, google.ask) as gate:
        yield gate


@pytest.mark.parametrize("size", [0, 5, 8 * MIB])
def test_a_file_is_kept_in_the_bucket_and_comes_back(house_with, gate, size):
    house = house_with(**gate.settings("files"))
    alice = house.person("alice")
    content = random.Random(size).randbytes(size)

    file = alice.upload(alice.home(), "a.bin", content)
    house.sweep()

    assert house.stored_files() == []
    assert alice.get(f"files/{file['id']}/content").content == content
    part = alice.call("GET", f"files/{file['id']}/content", headers={"Range": "bytes=1-3"})
    if size:
        assert (part.status_code, part.content) == (206, content[1:4])


def test_a_large_file_goes_in_parts(house_with, account, bucket):
    content = random.Random(20).randbytes(20 * MIB)
    with Gate(account, asking_s3(bucket)) as gate:
        house = house_with(**gate.settings(bucket.name))
        alice = house.person("alice")

        file = alice.upload(alice.home(), "a.bin", content)
        house.sweep()

        assert sum("partNumber=" in asked for asked in gate.passed) == 3
        assert (list(bucket.objects().values()), bucket.begun()) == ([20 * MIB], [])
        assert house.stored_files() == []
        assert alice.get(f"files/{file['id']}/content").content == content


def test_a_large_file_that_a_store_takes_no_parts_of_is_502_and_stays_pending(house_with, gate):
    """The server has no multipart uploads of the XML API: what a store that refuses them gets."""
    house = house_with(**gate.settings("files"))
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.bin", 9 * MIB).json()

    answer = house.send(declared["url"], bytes(9 * MIB))

    assert problem(answer) == (502, "storage_failed")
    still = alice.get(f"uploads/{declared['id']}").json()
    assert (still["status"], still["received_bytes"]) == ("pending", 9 * MIB)


@pytest.mark.parametrize("damage", [b"wrong", b"righ"])
def test_an_object_that_is_not_what_was_sent_is_refused(house_with, account, google, damage):
    def ask(method, path, headers, body):
        return google.ask(method, path, headers, damage if method == "PUT" else body)

    with Gate(account, ask) as gate:
        house = house_with(**gate.settings("files"))
        alice = house.person("alice")
        declared = alice.declare(alice.home(), "a.txt", 5).json()

        assert problem(house.send(declared["url"], b"right")) == (502, "storage_failed")
        assert alice.get(f"workspaces/{alice.home()}/files").json()["data"] == []


def test_an_object_that_no_row_needs_goes(house_with, google, gate):
    google.make_bucket("empty")
    house = house_with(**gate.settings("empty"))
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5, on_conflict="error").json()
    alice.upload(alice.home(), "a.txt", b"first")
    assert problem(house.send(declared["url"], b"other")) == (409, "name_taken")
    assert len(google.objects("empty")) == 2

    alice.delete(f"uploads/{declared['id']}")
    house.sweep()

    [(key, size)] = google.objects("empty").items()
    assert (key.startswith("some/where/"), size) == (True, 5)


@pytest.mark.parametrize("wrong", ["bucket", "key"])
def test_a_store_that_refuses_is_502_and_no_credential_is_anywhere(
    house_with, account, google, wrong, caplog
):
    trusted = account if wrong == "bucket" else Account()
    with Gate(trusted, google.ask) as gate:
        house = house_with(**gate.settings("missing" if wrong == "bucket" else "files"))
        alice = house.person("alice")
        declared = alice.declare(alice.home(), "a.txt", 5).json()
        caplog.set_level(logging.DEBUG)

        answer = house.send(declared["url"], b"hello")

    assert problem(answer) == (502, "storage_failed")
    assert ("404" if wrong == "bucket" else "401") in caplog.text
    assert gate.url not in answer.text
    objects = house.client.app._app._blobs.objects
    shown = f"{caplog.text} {answer.text} {objects!r} {vars(objects)!r}"
    assert gate.tokens
    for secret in (*gate.tokens, *account.pem.splitlines()[1:-1]):
        assert secret not in shown


def test_no_part_goes_straight_to_a_store_that_takes_none(house_with, gate):
    house = house_with(**gate.settings("files"))
    alice = house.person("alice")

    assert problem(alice.declare(alice.home(), "a", 5, direct=True)) == (409, "direct_unavailable")


def test_doctor_says_whether_the_store_takes_the_account(gate, google, tmp_path):
    assert storage_check(tmp_path, gate.settings("files"))["status"] == "ok"
    with Gate(Account(), google.ask) as other:
        assert storage_check(tmp_path, other.settings("files"))["status"] == "failed"


@pytest.mark.parametrize("content", [None, '"a-secret-of-ours"'])
@pytest.mark.parametrize("command", ["doctor", "serve", "fsck"])
def test_a_file_that_is_no_account_s_is_a_mistake_that_repeats_nothing_of_it(
    tmp_path, empty_folder, content, command
):
    data = shutil.copytree(empty_folder, tmp_path / "data")
    file = tmp_path / "google.json"
    if content is not None:
        file.write_text(content)
    environ = {"DOORWARD_STORAGE_URL": "gs://files", "GOOGLE_SERVICE_ACCOUNT": str(file)}

    ended = run(command, "--data", data, environ=environ)

    said = ended.stdout + ended.stderr
    assert (ended.returncode, "gs://files can't be opened" in said) == (
        1 if command == "doctor" else 2,
        True,
    )
    assert "a-secret" not in said
    assert "Traceback" not in said


def storage_check(data, environ):
    checks = json.loads(run("doctor", "--json", "--data", data, environ=environ).stdout)["checks"]
    return next(check for check in checks if check["name"] == "storage")


def run(*arguments, environ):
    program = [sys.executable, "-m", "doorward", *map(str, arguments)]
    return subprocess.run(
        program, capture_output=True, text=True, check=False, env=os.environ | environ, timeout=60
    )
