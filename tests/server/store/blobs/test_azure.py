"""Bytes kept in Azure's blob storage, as its own emulator plays it."""

import logging
import random

import pytest

from azure_server import KEY, AzureServer
from support import problem

MIB = 1 << 20


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    with AzureServer(tmp_path_factory.mktemp("azure")) as server:
        server.make_container("files")
        yield server


@pytest.mark.parametrize("size", [0, 5, 8 * MIB, 20 * MIB])
def test_a_file_is_kept_in_the_container_and_comes_back(house_with, azure, size):
    house = house_with(**azure.settings("files"))
    alice = house.person("alice")
    content = random.Random(size).randbytes(size)

    file = alice.upload(alice.home(), "a.bin", content)
    house.sweep()

    assert house.stored_files() == []
    assert alice.get(f"files/{file['id']}/content").content == content
    part = alice.call("GET", f"files/{file['id']}/content", headers={"Range": "bytes=1-3"})
    if size:
        assert (part.status_code, part.content) == (206, content[1:4])


def test_a_blob_that_no_row_needs_goes(house_with, azure):
    azure.make_container("empty")
    house = house_with(**azure.settings("empty"))
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5, on_conflict="error").json()
    alice.upload(alice.home(), "a.txt", b"first")
    assert problem(house.send(declared["url"], b"other")) == (409, "name_taken")
    assert azure.listing("empty").count("<Blob>") == 2

    alice.delete(f"uploads/{declared['id']}")
    house.sweep()

    assert azure.listing("empty").count("<Blob>") == 1


@pytest.mark.parametrize("wrong", ["container", "key"])
def test_a_store_that_refuses_is_502_and_the_key_is_nowhere(house_with, azure, wrong, caplog):
    settings = azure.settings("files" if wrong == "key" else "missing")
    if wrong == "key":
        settings["AZURE_STORAGE_ACCOUNT_KEY"] = "bm90LXRoZS1yaWdodC1vbmU="
    house = house_with(**settings)
    alice = house.person("alice")
    declared = alice.declare(alice.home(), "a.txt", 5).json()
    caplog.set_level(logging.DEBUG)

    answer = house.send(declared["url"], b"hello")

    assert problem(answer) == (502, "storage_failed")
    for secret in (KEY, settings["AZURE_STORAGE_ACCOUNT_KEY"]):
        assert secret not in caplog.text + answer.text


def test_no_part_goes_straight_to_a_store_that_takes_none(house_with, azure):
    house = house_with(**azure.settings("files"))
    alice = house.person("alice")

    assert problem(alice.declare(alice.home(), "a", 5, direct=True)) == (409, "direct_unavailable")
