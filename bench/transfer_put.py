"""Whole files by plain PUT, one and 16 at once, and the memory that takes. The client is curl."""

from pathlib import Path

from bench.servers import Doorward, doorward
from bench.transfer_peers import Peers, nginx_is_there, peers
from bench.transferring import (
    AT_ONCE,
    Times,
    Turn,
    content,
    contents,
    curl,
    figure,
    mib,
    ratio,
    sized,
    speed,
    sync,
    take_turns,
    together,
)

_LARGE = sized(256 << 20)
_SMALL = sized(16 << 20)
_IN_MEMORY = sized(64 << 20)


def run(folder: Path) -> list[dict]:
    figures = []
    if nginx_is_there():
        large = [content(folder / "large", _LARGE)]
        small = contents(folder / "small", AT_ONCE, _SMALL)
        with peers(folder) as found:
            figures = _one(_times(found, large)) + _at_once(_times(found, small))
    return figures + _memory(folder)


def _one(times: Times) -> list[dict]:
    return [
        speed(f"nginx, one upload of {mib(_LARGE)}", _LARGE, times["nginx"]),
        speed("Doorward durable, the same", _LARGE, times["durable"]),
        speed("Doorward fast, the same", _LARGE, times["fast"]),
        ratio("one upload: durable / nginx + fsync", times, "durable", "nginx+fsync", ">= 0.8"),
        ratio("one upload: fast / nginx", times, "fast", "nginx", ">= 0.5"),
        ratio("one upload: durable / UploadFile", times, "durable", "UploadFile"),
        ratio("one upload: fast / UploadFile", times, "fast", "UploadFile", ">= 3"),
    ]


def _at_once(times: Times) -> list[dict]:
    what = f"{AT_ONCE} at once"
    size = AT_ONCE * _SMALL
    return [
        speed(f"nginx, {AT_ONCE} uploads of {mib(_SMALL)} at once", size, times["nginx"]),
        speed("Doorward durable, the same", size, times["durable"]),
        speed("Doorward fast, the same", size, times["fast"]),
        ratio(f"{what}: durable / nginx + fsync", times, "durable", "nginx+fsync", ">= 0.8"),
        ratio(f"{what}: fast / nginx", times, "fast", "nginx", ">= 1.0"),
        ratio(f"{what}: durable / UploadFile", times, "durable", "UploadFile"),
    ]


def _times(found: Peers, sent: list[Path]) -> Times:
    """Give how long each server took to be sent all of these files at once."""
    files = found.nginx_files
    return take_turns(
        {
            "nginx": Turn(lambda: _to_nginx(found, sent), files, sent),
            "nginx+fsync": Turn(lambda: _to_nginx(found, sent, synced=True), files, sent),
            "durable": Turn(lambda: _to(found.durable, sent), found.durable.blobs, sent),
            "fast": Turn(lambda: _to(found.fast, sent), found.fast.blobs, sent),
            "UploadFile": Turn(lambda: _to_fastapi(found, sent), found.fastapi_files, sent),
        }
    )


def _to(server: Doorward, sent: list[Path]) -> float:
    """Send to Doorward; declaring the uploads is not timed."""
    urls = [server.upload_url(path.stat().st_size) for path in sent]
    pairs = zip(sent, urls, strict=True)
    return together([lambda path=path, url=url: curl("-T", path, url) for path, url in pairs])


def _to_nginx(found: Peers, sent: list[Path], *, synced: bool = False) -> float:
    def put(path: Path) -> None:
        curl("-T", path, f"{found.nginx}/{path.name}")
        if synced:  # each waits for the disk once its own bytes are there, as Doorward's do
            sync(found.nginx_files / path.name)

    return together([lambda path=path: put(path) for path in sent])


def _to_fastapi(found: Peers, sent: list[Path]) -> float:
    url = f"{found.fastapi}/upload?name="
    return together([lambda p=p: curl("-F", f"file=@{p}", f"{url}{p.name}") for p in sent])


def _memory(folder: Path) -> list[dict]:
    sent = contents(folder / "sent", AT_ONCE, _IN_MEMORY)
    with doorward(folder / "memory", 1, "full") as server:
        before = server.peak_memory_mib()
        _to(server, sent)
        peak = server.peak_memory_mib()
    what = f"peak memory, {AT_ONCE} uploads of {mib(_IN_MEMORY)} at once, one worker"
    return [
        figure("memory before any upload", round(before), "MiB"),
        figure(what, round(peak), "MiB", "< 200"),
    ]
