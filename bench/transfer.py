"""Uploads and downloads against nginx and FastAPI on the same disk, turn by turn in one run.

nginx neither hashes nor syncs. So Doorward's durable setting is held against nginx followed by
an fsync of the file inside the timed section, and its fast setting against plain nginx.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.servers import Doorward, doorward, fastapi_peer, nginx

MIB = 1 << 20
LARGE = 256 * MIB
SMALL = 16 * MIB
AT_ONCE = 16
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
WORKERS = 2

Timed = Callable[[], float]


def run() -> list[dict]:
    if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        print("LOUD: nginx is not installed, so nothing is measured against it.")
        return []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        large, small = _content(folder / "large", LARGE), _content(folder / "small", SMALL)
        peer = stack.enter_context(nginx(folder / "nginx", WORKERS))
        files = folder / "nginx" / "files"
        durable = stack.enter_context(doorward(folder / "durable", WORKERS, "full"))
        fast = stack.enter_context(doorward(folder / "fast", WORKERS, "fast"))
        simple = stack.enter_context(fastapi_peer(folder / "fastapi", WORKERS))
        written = (files, folder / "durable/blobs", folder / "fast/blobs", folder / "fastapi")
        clean = _cleaner(*written)
        figures = _one_stream(peer, files, durable, fast, simple, large, clean)
        figures += _at_once(peer, files, durable, fast, simple, small, clean)
        figures += _downloads(peer, files, durable, simple, folder / "fastapi", large)
    figures += _memory()
    return figures


def _memory() -> list[dict]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        small = _content(Path(name) / "small", 4 * SMALL)
        with doorward(Path(name) / "data", 1, "full") as server:
            before = server.peak_memory_mib()
            _together([lambda: _put(small, server.upload_url(4 * SMALL))] * AT_ONCE)
            peak = server.peak_memory_mib()
    return [
        _figure("memory before any upload", round(before), "MiB", None),
        _figure("peak memory, 16 uploads of 64 MiB at once", round(peak), "MiB", "< 200"),
    ]


def _one_stream(
    peer: str,
    files: Path,
    durable: Doorward,
    fast: Doorward,
    simple: str,
    large: Path,
    clean: Callable[[], None],
) -> list[dict]:
    times = _turns(
        {
            "nginx": lambda: _put(large, f"{peer}/a"),
            "nginx+fsync": lambda: _put(large, f"{peer}/b", sync=[files / "b"]),
            "durable": lambda: _put(large, durable.upload_url(LARGE)),
            "fast": lambda: _put(large, fast.upload_url(LARGE)),
            "UploadFile": lambda: _post(large, f"{simple}/upload?name=a"),
        },
        clean,
    )
    return [
        _speed("nginx, one upload of 256 MiB", LARGE, times["nginx"]),
        _speed("Doorward durable, the same", LARGE, times["durable"]),
        _ratio("one upload: durable / nginx + fsync", times, "durable", "nginx+fsync", ">= 0.35"),
        _ratio("one upload: fast / nginx", times, "fast", "nginx", ">= 0.35"),
        _ratio("one upload: durable / UploadFile", times, "durable", "UploadFile", ">= 3"),
        _ratio("one upload: fast / UploadFile", times, "fast", "UploadFile", ">= 3"),
    ]


def _at_once(
    peer: str,
    files: Path,
    durable: Doorward,
    fast: Doorward,
    simple: str,
    small: Path,
    clean: Callable[[], None],
) -> list[dict]:
    numbers = range(AT_ONCE)

    def synced() -> float:
        return _together([lambda n=n: _put(small, f"{peer}/{n}") for n in numbers], files, numbers)

    def doorward_puts(server: Doorward) -> float:
        urls = [server.upload_url(SMALL) for _ in numbers]
        return _together([lambda url=url: _put(small, url) for url in urls])

    times = _turns(
        {
            "nginx": lambda: _together([lambda n=n: _put(small, f"{peer}/{n}") for n in numbers]),
            "nginx+fsync": synced,
            "durable": lambda: doorward_puts(durable),
            "fast": lambda: doorward_puts(fast),
            "UploadFile": lambda: _together(
                [lambda n=n: _post(small, f"{simple}/upload?name={n}") for n in numbers]
            ),
        },
        clean,
    )
    return [
        _speed("nginx, 16 uploads of 16 MiB at once", AT_ONCE * SMALL, times["nginx"]),
        _ratio("16 at once: durable / nginx + fsync", times, "durable", "nginx+fsync", ">= 0.8"),
        _ratio("16 at once: fast / nginx", times, "fast", "nginx", ">= 0.8"),
        _ratio("16 at once: durable / UploadFile", times, "durable", "UploadFile", None),
    ]


def _downloads(
    peer: str, files: Path, server: Doorward, simple: str, simple_files: Path, large: Path
) -> list[dict]:
    (files / "large").write_bytes(large.read_bytes())
    (simple_files / "large").write_bytes(large.read_bytes())
    _put(large, url := server.upload_url(LARGE))
    upload_id = url.rpartition("/")[2].partition("?")[0]
    found = server.http.get(f"/uploads/{upload_id}", headers=server.signed_in()).json()
    content = f"{server.url}/api/v1/files/{found['file']['id']}/content"
    token = server.signed_in()["Authorization"]
    times = _turns(
        {
            "nginx": lambda: _get(f"{peer}/large"),
            "doorward": lambda: _get(content, "-H", f"Authorization: {token}"),
            "FileResponse": lambda: _get(f"{simple}/download?name=large"),
        },
        os.sync,
    )
    return [
        _speed("nginx, one download of 256 MiB", LARGE, times["nginx"]),
        _ratio("download: Doorward / nginx", times, "doorward", "nginx", ">= 0.8"),
        _ratio("download: Doorward / FileResponse", times, "doorward", "FileResponse", None),
    ]


def _turns(timed: dict[str, Timed], clean: Callable[[], None]) -> dict[str, list[float]]:
    """Time each in turn, round by round, so that a drift of the machine meets all alike.

    Before each, what the others wrote is removed and the disk has come to rest.
    """
    times: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(ROUNDS + 1):
        for name, once in timed.items():
            clean()
            took = once()
            if number:  # the first round warms up
                times[name].append(took)
    return times


def _cleaner(*folders: Path) -> Callable[[], None]:
    def clean() -> None:
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file():
                    path.unlink()
        os.sync()

    return clean


def _together(
    puts: list[Callable[[], object]], files: Path | None = None, numbers: range = range(0)
) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(len(puts)) as threads:
        list(threads.map(lambda put: put(), puts))
    for number in numbers:
        _sync(files / str(number))
    return time.perf_counter() - began


def _put(content: Path, url: str, sync: list[Path] | None = None) -> float:
    began = time.perf_counter()
    _curl("-T", content, url)
    for file in sync or []:
        _sync(file)
    return time.perf_counter() - began


def _post(content: Path, url: str) -> float:
    began = time.perf_counter()
    _curl("-F", f"file=@{content}", url)
    return time.perf_counter() - began


def _get(url: str, *options: str) -> float:
    began = time.perf_counter()
    _curl(*options, url)
    return time.perf_counter() - began


def _curl(*words: object) -> None:
    command = ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null"]
    subprocess.run([*command, *map(str, words)], check=True)


def _sync(file: Path) -> None:
    fd = os.open(file, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _content(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return path


def _ratio(what: str, times: dict, ours: str, theirs: str, aim: str | None) -> dict:
    """How many times as fast as the peer, by the median of the paired rounds."""
    ratios = [peer / own for own, peer in zip(times[ours], times[theirs], strict=True)]
    return _figure(what, round(statistics.median(ratios), 2), "x", aim) | {
        "rounds": [round(ratio, 2) for ratio in ratios]
    }


def _speed(what: str, size: int, times: list[float]) -> dict:
    return _figure(what, round(size / MIB / statistics.median(times)), "MiB/s", None)


def _figure(what: str, value: float, unit: str, aim: str | None) -> dict:
    return {"what": what, "value": value, "unit": unit, "aim": aim}
