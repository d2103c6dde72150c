"""What every test may ask for: a house with its doors, and people with real credentials."""

import os
import shutil
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from support import NOON, Clock, House, Person

# No setting of whoever runs the tests reaches the code under test.
for _name in list(os.environ):
    _ours = _name.startswith(("DOORWARD_", "CLERK_", "FASTIO_", "AWS_", "GOOGLE_", "AZURE_"))
    if _ours and not _name.startswith(("DOORWARD_TEST_", "DOORWARD_VECTORS")):
        del os.environ[_name]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory):
    """A data folder as a first start leaves it: made once, copied for each test."""
    from doorward.server.folder import prepare
    from doorward.server.settings import load_settings
    from doorward.standin import Standin

    data = tmp_path_factory.mktemp("empty") / "data"
    prepare(load_settings({"DOORWARD_DATA": str(data)}))
    Standin.open(data / "standin")
    return data


@pytest.fixture
def settings_for(tmp_path):
    """Settings over a folder of this test, with whatever the test sets."""
    from doorward.server.settings import load_settings

    def make(**environ: str):
        return load_settings({"DOORWARD_DATA": str(tmp_path / "data")} | environ)

    return make


@pytest.fixture
def house_with(settings_for, empty_folder, clock) -> Iterator:
    """Open a house with the given settings."""
    from doorward.server.app import create_app
    from doorward.server.folder import prepare
    from doorward.standin import Standin

    opened: list[TestClient] = []

    def open_house(**environ: str) -> House:
        settings = settings_for(**environ)
        shutil.copytree(empty_folder, settings.data)
        settings = prepare(settings)
        client = TestClient(create_app(settings, clock), base_url=settings.public_url)
        client.__enter__()
        opened.append(client)
        return House(
            settings.data, clock, client, Standin.open(settings.data / "standin", clock=clock)
        )

    yield open_house
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def house(house_with) -> House:
    return house_with()


@pytest.fixture
def alice(house) -> Person:
    return house.person("alice")


@pytest.fixture
def bob(house) -> Person:
    return house.person("bob")


@pytest.fixture(scope="session")
def issuer(tmp_path_factory):
    """A stand-in whose time is noon and does not move: for tokens of every kind."""
    from doorward.standin import Standin

    return Standin.open(tmp_path_factory.mktemp("issuer"), clock=lambda: NOON)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """Another stand-in, with another key."""
    from doorward.standin import Standin

    return Standin.open(tmp_path_factory.mktemp("stranger"), clock=lambda: NOON)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator:
    """A real S3 server on loopback."""
    from s3_server import S3Server

    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server):
    """A bucket of this test's own."""
    return s3_server.bucket()
