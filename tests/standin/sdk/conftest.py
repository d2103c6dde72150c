"""One stand-in as a program, and Clerk's own packages beside it, for all tests of this folder."""

import shutil
from collections.abc import Iterator

import pytest

from standin.sdk.processes import NODE, DevProcess, NodeProcess


@pytest.fixture(scope="session")
def dev(tmp_path_factory) -> Iterator[DevProcess]:
    with DevProcess(tmp_path_factory.mktemp("dev")) as process:
        yield process


@pytest.fixture(scope="session")
def node() -> None:
    """Skip, loudly, where Clerk's packages can't run."""
    if shutil.which("node") is None:
        pytest.skip("LOUD: node is not here; Clerk's JavaScript packages are not tried")
    if not (NODE / "node_modules" / "@clerk" / "express").is_dir():
        pytest.skip("LOUD: tests/node has no packages; run 'make test'")


@pytest.fixture(scope="module")
def backend(request, dev) -> Iterator[NodeProcess]:
    """@clerk/backend, which knows the stand-in by its environment alone."""
    request.getfixturevalue("node")
    with NodeProcess("backend.mjs", dev.environment()) as process:
        yield process


@pytest.fixture
def standin(dev):
    return dev.standin
