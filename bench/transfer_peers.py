"""Who is measured: Doorward in both settings, nginx, and FastAPI's own."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import Doorward, doorward, fastapi_peer, nginx
from bench.transferring import WORKERS


@dataclass(frozen=True, slots=True)
class Peers:
    """Servers that run side by side, each with a folder of its own on the same disk.

    nginx neither hashes nor syncs. So Doorward's durable setting is held against nginx followed
    by an fsync of the file inside the timed section, and its fast setting against plain nginx.
    """

    durable: Doorward
    fast: Doorward
    nginx: str
    nginx_files: Path
    fastapi: str
    fastapi_files: Path


def nginx_is_there() -> bool:
    """Say whether nginx is installed, loudly if it is not."""
    if shutil.which("nginx") or Path("/usr/sbin/nginx").exists():
        return True
    print("LOUD: nginx is not installed, so nothing is measured against it.")
    return False


@contextmanager
def peers(folder: Path) -> Iterator[Peers]:
    with ExitStack() as stack:
        yield Peers(
            durable=stack.enter_context(doorward(folder / "durable", WORKERS, "full")),
            fast=stack.enter_context(doorward(folder / "fast", WORKERS, "fast")),
            nginx=stack.enter_context(nginx(folder / "nginx", WORKERS)),
            nginx_files=folder / "nginx/files",
            fastapi=stack.enter_context(fastapi_peer(folder / "fastapi", WORKERS)),
            fastapi_files=folder / "fastapi",
        )
