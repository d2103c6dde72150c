"""A real Redis or Valkey to share buckets in."""

import shutil

import pytest

from backing import REDIS_PROGRAMS, start_redis


@pytest.fixture(scope="session", params=REDIS_PROGRAMS)
def bus(request, tmp_path_factory):
    """The address of a server of this session's own."""
    program = request.param
    if shutil.which(program) is None:
        pytest.skip(f"LOUD: {program} is not installed; limits shared by processes are not tested")
    server, url = start_redis(program, tmp_path_factory.mktemp(program))
    yield url
    server.stop()
