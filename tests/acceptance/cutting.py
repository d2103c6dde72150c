"""A network that fails on purpose, and a server behind it that may die at any moment."""

import random
import socket
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx2

from support import ServerProcess

OPEN = "SELECT blob_key FROM uploads WHERE status IN ('pending', 'receiving')"


class Cutter:
    """Passes connections on to a port, and cuts each after a random number of bytes sent.

    Every other cut leaves the server in the belief that the connection lives: it has to be told by
    the next request.
    """

    def __init__(self, seed: int, least: int, most: int) -> None:
        self.random = random.Random(seed)
        self.least, self.most = least, most
        self.target: int | None = None
        self.passed = 0
        self.cuts = 0
        self.cutting = True
        self._left_open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections, and let go of those that were left open."""
        end(self._listener)
        for one in self._left_open:
            end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
            except OSError:  # the server is down just now
                client.close()
                continue
            budget = self.random.randint(self.least, self.most) if self.cutting else 1 << 60
            for work in (self._up, self._down):
                threading.Thread(target=work, args=(client, server, budget), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, budget: int) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data[:budget])
                self.passed += len(data[:budget])
                budget -= len(data)
                if budget <= 0:
                    self.cuts += 1
                    end(client)
                    if self.cuts % 2:
                        self._left_open.append(server)
                        return
                    break
        end(client)
        end(server)

    @staticmethod
    def _down(client: socket.socket, server: socket.socket, _: int) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        end(client)


def end(one: socket.socket) -> None:
    """Close a socket so that whoever reads it in another thread learns of it."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


class Site:
    """A server behind a cutter: its address stays the same whatever dies."""

    def __init__(self, data: Path, seed: int, *, least: int, most: int, **environ: str) -> None:
        self.data = data
        self.cutter = Cutter(seed, least, most)
        self.url = f"http://127.0.0.1:{self.cutter.port}"
        self._environ = {"DOORWARD_PUBLIC_URL": self.url} | environ
        self.server = self._start()
        self.token = self.server.token("alice")
        headers = {"Authorization": f"Bearer {self.token}"}
        listed = httpx2.get(f"{self.server.url}/api/v1/workspaces", headers=headers).json()
        self.workspace = listed["data"][0]["id"]
        self.endpoint = f"{self.url}/transfer/workspaces/{self.workspace}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.cutter.close()

    def restart(self) -> None:
        """Kill the server as a power cut would, and start another one."""
        self.server.kill()
        self.server = self._start()

    def restart_once_passed(self, size: int) -> threading.Thread:
        """Kill and start the server once so many bytes came through, beside what goes on."""

        def wait() -> None:
            while self.cutter.passed < size:
                threading.Event().wait(0.005)
            self.restart()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread

    def call(self, method: str, path: str, **request: object) -> httpx2.Response:
        """Call the server itself, past the cutter."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.cutter.target}/api/v1/{path}"
        return httpx2.request(method, url, headers=headers, timeout=60, **request)

    def files(self) -> list[dict]:
        """Everything that is visible at the root of the workspace."""
        return self.call("GET", f"workspaces/{self.workspace}/files").json()["data"]

    def content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        return self.call("GET", f"files/{file_id}/content").content

    def leftovers(self) -> set[str]:
        """Blobs on the disk that neither a version nor an open upload knows."""
        with sqlite3.connect(self.data / "doorward.db") as database:
            known = {key for (key,) in database.execute("SELECT blob_key FROM versions")}
            known |= {key for (key,) in database.execute(OPEN)}
        blobs = self.data / "blobs"
        stored = {str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()}
        return stored - known

    def _start(self) -> ServerProcess:
        server = ServerProcess(self.data, **self._environ)
        # It names its public address, which is the cutter's; its own is the one it listens on.
        self.cutter.target = listening_port(server.process.pid)
        server.url = f"http://127.0.0.1:{self.cutter.target}"
        return server


def listening_port(pid: int) -> int:
    """Find the port that a process listens on."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(entry.readlink()))
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError("the server listens nowhere")
