"""Real servers for what many machines share, started once for all tests that ask for them."""

import shutil
from functools import cache

import pytest

from backing import Postgres, postgres_folder, start_redis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """Give the address of a server that runs the given program: Redis, or Valkey."""
    started = []

    @cache
    def url_of(program):
        if shutil.which(program) is None:
            pytest.skip(f"LOUD: {program} is not installed; records in it are not tried")
        server, url = start_redis(program, tmp_path_factory.mktemp(program))
        started.append(server)
        return url

    yield url_of
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def postgres():
    programs = postgres_folder()
    if programs is None:
        pytest.skip("LOUD: PostgreSQL is not installed; records in it are not tried")
    with Postgres(programs) as server:
        yield server
