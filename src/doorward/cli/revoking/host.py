"""The server that is measured: a process group of its own, which ends with us whatever happens."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from doorward.cli.revoking.wire import BenchFailed

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
# Nothing may end by age while it is measured what ends by revocation.
_LONG = {
    "DOORWARD_DELEGATED_SECONDS": "3600",
    "DOORWARD_UPLOAD_URL_SECONDS": "86400",
}


class Host:
    """``doorward serve`` over a folder, with the stand-in."""

    def __init__(self, data: Path, workers: int) -> None:
        self._log = data.with_name(data.name + ".log").open("w+b")
        ours = ("DOORWARD_", "CLERK_", "FASTIO_")
        environ = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [
                *(sys.executable, "-m", "doorward", "serve", "--port", "0"),
                *("--data", str(data), "--workers", str(workers)),
            ],
            bufsize=0,  # a line that was read ahead would never be waited for
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environ | _LONG | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is ours alone: we stop it when nothing is under way
        )

    def __enter__(self) -> Self:
        try:
            self.url = self._ready()
        except BaseException:
            self.stop()
            raise
        parts = urlsplit(self.url)
        self.name, self.port = parts.hostname or "", parts.port or 0
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def workers(self) -> list[int]:
        """Give the processes that serve, None of them where the system does not say."""
        group, found = self._process.pid, []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(status[2]) == group and int(folder.name) != group:
                    found.append(int(folder.name))
        return found

    def errors(self) -> list[str]:
        """Give what the server logged as its own fault; a download that was cut is none."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or " failed" in line]

    def stop(self) -> None:
        """Stop it, gently and then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
                break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _ready(self) -> str:
        give_up = time.monotonic() + _START_SECONDS
        out = self._process.stdout
        assert out is not None  # noqa: S101 - it was asked for
        while time.monotonic() < give_up:
            if not select.select([out], [], [], 1.0)[0]:
                continue
            line = out.readline().decode()
            if "Doorward serves " in line:
                return line.split()[-1]
            if not line:
                break
        raise BenchFailed("the server did not start")
