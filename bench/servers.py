"""The servers that are measured, each on a free port of loopback, stopped at the end."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

NGINX = """
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}/temp;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; client_max_body_size 0;
    location / {{ root {folder}/files; dav_methods PUT DELETE; }} }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers on port {port}")


@contextmanager
def running(
    command: list[object], port: int, user: str | None = None, **environ: str
) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | environ,
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def nginx(folder: Path, workers: int) -> Iterator[str]:
    """Debian's nginx, storing PUT and serving files."""
    port = free_port()
    (folder / "files").mkdir(parents=True)
    for path in (folder, folder / "files"):
        path.chmod(0o777)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, workers=workers))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with running([program, "-c", config, "-e", folder / "error.log"], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Redis, keeping nothing on the disk."""
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with running(["redis-server", *options], port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL as it comes, in a cluster of its own; it refuses to run as root."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as name:
        if user is not None:
            shutil.chown(name, user)
        data = Path(name) / "data"
        made = [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust"]
        subprocess.run(made, user=user, stdout=subprocess.DEVNULL, check=True)
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [programs / "postgres", "-D", data, "-p", port, *options]
        with running(command, port, user):
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"


class Doorward:
    """A Doorward server with somebody signed in."""

    def __init__(self, url: str, data: Path, process: subprocess.Popen) -> None:
        self.url = url
        self.data = data
        self.process = process
        self.http = httpx2.Client(base_url=f"{url}/api/v1", timeout=60)
        workspaces = self.http.get("/workspaces", headers=self.signed_in()).json()["data"]
        self.workspace = workspaces[0]["id"]

    def signed_in(self) -> dict[str, str]:
        """Give headers that sign somebody in."""
        from doorward.standin import Standin

        token = Standin.open(self.data / "standin").mint("bench", ttl=3600)
        return {"Authorization": f"Bearer {token}"}

    def upload_url(self, size: int) -> str:
        """Declare an upload and give its signed URL."""
        body = {"name": f"bench-{time.monotonic_ns()}", "size": size}
        path = f"/workspaces/{self.workspace}/uploads"
        return self.http.post(path, json=body, headers=self.signed_in()).json()["url"]

    @property
    def blobs(self) -> Path:
        """Where it keeps the bytes of files."""
        return self.data / "blobs"

    def pids(self) -> list[int]:
        """Its processes, those of its processes included."""
        return _family(self.process.pid)

    def peak_memory_mib(self) -> float:
        """The largest resident memory that any of its processes ever had."""
        return max(_kib(Path(f"/proc/{pid}/status"), "VmHWM") for pid in self.pids()) / 1024

    def processor_seconds(self) -> float:
        """The processor's time that its processes have used, the system's on their behalf too."""
        return sum(_processor_ticks(pid) for pid in self.pids()) / os.sysconf("SC_CLK_TCK")


@contextmanager
def doorward(data: Path, workers: int, durability: str) -> Iterator[Doorward]:
    """Doorward as it comes, but for room and time enough for all that a benchmark sends."""
    port = free_port()
    command = [sys.executable, "-m", "doorward", "serve", "--port", port, "--data", data]
    command += ["--workers", workers]
    environ = {
        "DOORWARD_DURABILITY": durability,
        "DOORWARD_QUOTA_BYTES": str(1 << 50),
        "DOORWARD_LIMITS": "off",
        "DOORWARD_UPLOAD_URL_SECONDS": "86400",
    }
    with running(command, port, **environ) as process:
        yield Doorward(f"http://127.0.0.1:{port}", data, process)


@contextmanager
def fastapi_peer(folder: Path, workers: int) -> Iterator[str]:
    """FastAPI's own UploadFile and FileResponse, as its tutorial has them."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "uvicorn", "bench.fastapi_peer:app", "--port", port]
    command += ["--workers", workers, "--no-access-log", "--log-level", "warning"]
    with running(command, port, BENCH_FOLDER=str(folder)):
        yield f"http://127.0.0.1:{port}"


def memory_mib(pids: Iterable[int]) -> float:
    """The resident memory of processes now; what they share counts for each."""
    return sum(_kib(Path(f"/proc/{pid}/status"), "VmRSS") for pid in pids) / 1024


def proportional_memory_mib(pids: Iterable[int]) -> float:
    """The resident memory of processes now; what some share counts once."""
    return sum(_kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids) / 1024


def _family(pid: int) -> list[int]:
    listed = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return [pid, *(found for child in listed for found in _family(int(child)))]


def _kib(path: Path, name: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # its own, in and on behalf of the program
