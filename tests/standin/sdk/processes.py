"""The stand-in as a program of its own, and Clerk's packages in programs of theirs beside it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from doorward.standin import Standin

NODE = Path(__file__).parents[2] / "node"
_WAIT_SECONDS = 60


class DevProcess:
    """``doorward dev`` over a folder, as a person starts it."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "doorward", "dev", "--port", "0", "--data", data]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.url = self._ready()
        self.port = int(self.url.rpartition(":")[2])
        self.standin = Standin.open(data / "standin", port=self.port)
        self._data = data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=_WAIT_SECONDS)
        self.process.stderr.close()

    def environment(self) -> dict[str, str]:
        """What the command says to set, so that an application trusts the stand-in."""
        command = [sys.executable, "-m", "doorward", "dev", "env", "--json"]
        options = ["--port", str(self.port), "--data", self._data]
        printed = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        return json.loads(printed.stdout)

    def _ready(self) -> str:
        printed = ""
        for line in self.process.stderr:
            printed += line
            if found := re.search(r"answers at (http://\S+),", line):
                return found[1]
        self.process.wait(timeout=_WAIT_SECONDS)
        raise AssertionError(f"the stand-in did not start:\n{printed}")


class NodeProcess:
    """A script of ``tests/node`` that speaks lines of JSON; knows only what it is told."""

    def __init__(self, script: str, environ: Mapping[str, str]) -> None:
        known = {"PATH": os.environ["PATH"], "CLERK_TELEMETRY_DISABLED": "1"}
        self.process = subprocess.Popen(
            ["node", NODE / script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=known | dict(environ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=_WAIT_SECONDS)

    def read(self) -> Any:
        """Give what the next line says."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the script ended:\n{self.process.stderr.read()}")
        return json.loads(line)

    def ask(self, **question: Any) -> Any:
        """Send a line and give the answer; raises SdkRefused where the package threw."""
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{json.dumps(question)}\n")
            self.process.stdin.flush()
        answer = self.read()
        if "error" in answer:
            raise SdkRefused(answer["error"])
        return answer["result"]

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the client, such as ``users.getUser``."""
        return self.ask(operation="call", method=method, args=args)


class SdkRefused(Exception):
    """What a package threw: its name, message, reason, status and codes."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["message"])
        self.status = told.get("status")
        self.reason = told.get("reason")
        self.codes = told.get("codes")
