"""Microsoft's own emulator of Azure's blob storage, on loopback."""

import base64
import hmac
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx2
import pytest

from backing import free_port
from s3_server import wait_for

ACCOUNT = "doorwardtest"
KEY = base64.b64encode(b"only-for-tests-on-loopback").decode()


def program() -> str:
    """Where the emulator is, which the Makefile installs where there is Node."""
    found = Path(sys.executable).parent.parent / "azurite/node_modules/.bin/azurite-blob"
    path = str(found) if found.exists() else shutil.which("azurite-blob")
    if path is None:
        pytest.skip("LOUD: azurite is not installed; storage on Azure is not tried")
    return path


class AzureServer:
    """Azurite over a folder; it checks signatures."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", folder]
        self._process = subprocess.Popen(
            [
                program(),
                *map(str, options),
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ],
            env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, seconds=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def settings(self, container: str, **more: str) -> dict[str, str]:
        return {
            "DOORWARD_STORAGE_URL": f"az://{container}/some/where?endpoint={self.url}&retries=0",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        } | more

    def make_container(self, name: str) -> None:
        """Ask for one as Azure wants to be asked, since no library here does."""
        self._ask("PUT", f"/{name}", {"restype": "container"})

    def listing(self, container: str) -> str:
        query = {"comp": "list", "restype": "container", "include": "uncommittedblobs"}
        return self._ask("GET", f"/{container}", query).text

    def _ask(self, method: str, path: str, query: dict[str, str]) -> httpx2.Response:
        when = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
        headers = {"x-ms-date": when, "x-ms-version": "2021-08-06"}
        canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        resource = f"/{ACCOUNT}/{ACCOUNT}{path}"
        resource += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        text = f"{method}{chr(10) * 12}{canonical}{resource}"
        signed = hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
        answer = httpx2.request(method, f"{self.url}{path}", params=query, headers=headers)
        assert answer.is_success, answer.text
        return answer

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
