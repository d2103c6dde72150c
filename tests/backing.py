"""Real servers that tests keep records in: Redis or Valkey, and PostgreSQL."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

PASSWORD = "our_database_password_here"
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A program that says when it is ready; what it says after that is read and forgotten."""

    def __init__(self, command: list[object], ready: str, user: str | None = None) -> None:
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user,
            extra_groups=None if user is None else [],
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            self.process.wait()
            raise AssertionError("the server did not start:\n" + "".join(said))
        self._reader = threading.Thread(target=self._forget_what_it_says, daemon=True)
        self._reader.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        self._reader.join()
        self.process.stdout.close()

    def _forget_what_it_says(self) -> None:
        for _ in self.process.stdout:
            pass


_REDIS_LIKE = ("redis-server", "valkey-server")
REDIS_PROGRAMS = [name for name in _REDIS_LIKE if shutil.which(name)] or [_REDIS_LIKE[0]]
"""Those that are installed; where none is, the first, whose tests are skipped."""


def start_redis(program: str, folder: Path) -> tuple[Server, str]:
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = Server([program, *options], "Ready to accept connections")
    return server, f"redis://127.0.0.1:{port}/0"


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps them away from the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, default=None)


def _version(programs: Path) -> float:
    return float(programs.parent.name)


class Postgres:
    """A cluster of its own in a temporary folder, which can be stopped and started again.

    PostgreSQL refuses to run as root, so where tests do, it runs as Debian's ``postgres``, or
    nobody.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="doorward-postgres-"))
        self._server: Server | None = None
        self._make()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        return self.url_with(PASSWORD)

    def url_with(self, password: str) -> str:
        return f"postgresql://doorward:{password}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self._data, "-p", self._port, *options]
        self._server = Server(command, "ready to accept connections", self._user)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGINT)  # its word for: without waiting for clients
            self._server = None

    def pids(self) -> list[int]:
        """The server's own process and those that serve its clients."""
        own = self._server.process.pid
        found = subprocess.run(
            ["pgrep", "-P", str(own)], capture_output=True, text=True, check=False
        )
        return [own, *map(int, found.stdout.split())]

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _make(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user is not None:
            for path in (self._folder, password):
                shutil.chown(path, self._user)
        command = [self._programs / "initdb", "-D", self._data, "-U", "doorward", "--no-sync"]
        command += ["-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale", "C"]
        made = subprocess.run(
            command, user=self._user, extra_groups=[] if self._user else None,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
