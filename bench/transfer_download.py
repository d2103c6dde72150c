"""Downloads, whole and a range, one and 16 at once, against nginx with sendfile.

Whole files are fetched by curl. Ranges are fetched over connections that stand already, since
starting curl would take a good part of what is timed.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.http_client import Connection
from bench.servers import Doorward
from bench.transfer_peers import Peers, nginx_is_there, peers
from bench.transferring import (
    AT_ONCE,
    Times,
    Turn,
    content,
    curl,
    mib,
    ratio,
    sized,
    speed,
    take_turns,
    together,
)

_WHOLE = sized(256 << 20)
_SMALL = sized(64 << 20)
_RANGE = _WHOLE // 4
_MIDDLE = (_WHOLE - _RANGE) // 2


def run(folder: Path) -> list[dict]:
    if not nginx_is_there():
        return []
    with peers(folder) as found:
        large = _Source(found, content(folder / "large", _WHOLE))
        small = _Source(found, content(folder / "small", _SMALL))
        figures = _figures(f"one download of {mib(_WHOLE)}", _WHOLE, large.whole(1), ">= 0.9")
        what = f"{AT_ONCE} downloads of {mib(_SMALL)} at once"
        figures += _figures(what, AT_ONCE * _SMALL, small.whole(AT_ONCE), ">= 0.9")
        what = f"a range of {mib(_RANGE)}"
        figures += _figures(what, _RANGE, large.ranged(1), ">= 0.9")
        what = f"{AT_ONCE} ranges of {mib(_RANGE)} at once"
        return figures + _figures(what, AT_ONCE * _RANGE, large.ranged(AT_ONCE), ">= 0.9")


def _figures(what: str, size: int, times: Times, aim: str) -> list[dict]:
    return [
        speed(f"nginx, {what}", size, times["nginx"]),
        speed("Doorward, the same", size, times["doorward"]),
        ratio(f"{what}: Doorward / nginx", times, "doorward", "nginx", aim),
        ratio(f"{what}: Doorward / FileResponse", times, "doorward", "FileResponse"),
    ]


class _Source:
    """A file that every server has; it knows where, and with which headers it is asked for."""

    def __init__(self, found: Peers, path: Path) -> None:
        (found.nginx_files / path.name).write_bytes(path.read_bytes())
        (found.fastapi_files / path.name).write_bytes(path.read_bytes())
        self._signed_in = found.durable.signed_in()
        self._asked: dict[str, tuple[str, Mapping[str, str]]] = {
            "nginx": (f"{found.nginx}/{path.name}", {}),
            "doorward": (_uploaded(found.durable, path), self._signed_in),
            "FileResponse": (f"{found.fastapi}/download?name={path.name}", {}),
        }

    def whole(self, at_once: int) -> Times:
        """Time whole downloads by curl."""

        def fetch(url: str, headers: Mapping[str, str]) -> float:
            words = [word for n, v in headers.items() for word in ("-H", f"{n}: {v}")]
            return together([lambda: curl(*words, url)] * at_once)

        return take_turns(
            {name: Turn(lambda asked=asked: fetch(*asked)) for name, asked in self._asked.items()}
        )

    def ranged(self, at_once: int) -> Times:
        """Time ranges out of the middle, each over a connection of its own."""
        return take_turns(
            {
                name: Turn(lambda asked=asked: _ranges(*asked, at_once))
                for name, asked in self._asked.items()
            }
        )


def _ranges(url: str, headers: Mapping[str, str], at_once: int) -> float:
    wanted = {"Range": f"bytes={_MIDDLE}-{_MIDDLE + _RANGE - 1}"} | dict(headers)

    def fetch(connection: Connection) -> None:
        answer = connection.ask("GET", url, wanted)
        if (answer.status, answer.length) != (206, _RANGE):
            raise RuntimeError(f"{url} answered {answer.status} with {answer.length} bytes")

    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(url)) for _ in range(at_once)]
        return together([lambda c=c: fetch(c) for c in connections])


def _uploaded(server: Doorward, path: Path) -> str:
    """Upload a file and give the URL of its content."""
    curl("-T", path, url := server.upload_url(path.stat().st_size))
    upload_id = url.rpartition("/")[2].partition("?")[0]
    found = server.http.get(f"/uploads/{upload_id}", headers=server.signed_in()).json()
    return f"{server.url}/api/v1/files/{found['file']['id']}/content"
