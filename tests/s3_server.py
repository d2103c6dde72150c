"""A real S3 server for tests that need one, and a road to it that can be made bad."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from backing import free_port

ACCESS_KEY = "doorward-test"
SECRET_KEY = "only-for-tests-on-loopback"


def program() -> str:
    """Where the S3 server is, which the Makefile installs where there is Go."""
    found = Path(sys.executable).with_name("versitygw")
    path = str(found) if found.exists() else shutil.which("versitygw")
    if path is None:
        pytest.skip("LOUD: versitygw is not installed; storage on S3 is not tried")
    return path


@dataclass
class Bucket:
    """A bucket, with its objects as files on the disk."""

    server: "S3Server"
    name: str

    @property
    def folder(self) -> Path:
        return self.server.folder / self.name

    def settings(self, endpoint: str | None = None, **options: object) -> dict[str, str]:
        query = "".join(f"&{name}={value}" for name, value in options.items())
        address = endpoint or self.server.url
        return {
            "DOORWARD_STORAGE_URL": f"s3://{self.name}/some/where?endpoint={address}{query}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def client(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def objects(self) -> dict[str, int]:
        found = self.client().list_objects_v2(Bucket=self.name).get("Contents", [])
        return {row["Key"]: row["Size"] for row in found}

    def empty(self) -> None:
        """Lose every object."""
        for key in self.objects():
            self.client().delete_object(Bucket=self.name, Key=key)

    def begun(self) -> list[str]:
        """Keys of uploads in parts that are neither complete nor aborted."""
        found = self.client().list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [row["Key"] for row in found]


class S3Server:
    """versitygw over a folder: it checks signatures, checksums and expiry as S3 does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._count = 0
        self._process = subprocess.Popen(
            [program(), "--port", f"127.0.0.1:{self.port}", "--quiet", "posix", folder],
            env={"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY, "HOME": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def bucket(self) -> Bucket:
        self._count += 1
        bucket = Bucket(self, f"bucket-{self._count}")
        bucket.client().create_bucket(Bucket=bucket.name)
        return bucket

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def wait_for(happens: Callable[[], object], seconds: float = 20) -> None:
    """Wait for another process to get somewhere."""
    give_up = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


class BadRoad:
    """Forwards connections to an address, or does what ``mood`` says to them instead.

    ``pass``, ``500`` or ``507`` (answered without asking), ``reset``, ``hang`` (reads and never
    answers), or a function that changes what the client sends on its way.
    ``answers`` changes what the server sends.
    """

    def __init__(self, url: str) -> None:
        self._to = (urlsplit(url).hostname, urlsplit(url).port)
        self.mood: str | Callable[[bytes], bytes] = "pass"
        self.answers: Callable[[bytes], bytes] = bytes
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection, so that the next request makes a new one."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def be(self, mood: str | Callable[[bytes], bytes]) -> None:
        self.mood = mood
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.mood == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            return
        if self.mood == "hang":
            return
        if self.mood in {"500", "507"}:
            _refuse(client, self.mood)
            return
        server = socket.create_connection(self._to)
        self._open.append(server)
        change = self.mood if callable(self.mood) else bytes
        threading.Thread(target=_pump, args=(server, client, self.answers), daemon=True).start()
        _pump(client, server, change)


def _pump(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(change(data))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _refuse(client: socket.socket, status: str) -> None:
    try:
        while b"\r\n\r\n" not in client.recv(1 << 16):
            pass
        line = f"HTTP/1.1 {status} Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        client.sendall(line.encode())
        client.settimeout(2)
        while client.recv(1 << 16):
            pass
    except OSError:
        pass
    client.close()
