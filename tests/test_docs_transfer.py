"""The pages about uploads: their code runs, and their tables say what the code says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from support import ServerProcess

ROOT = Path(__file__).parents[1]
HOW_TO = (ROOT / "docs/how-to/resumable-uploads.md").read_text()
TICKETS = (ROOT / "docs/how-to/tickets.md").read_text()
REFERENCE = (ROOT / "docs/reference/transfers.md").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="LOUD: curl is not installed")
def test_the_how_to_runs_as_it_is_printed(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7" + bytes(200_000))
    shell = "set -eu\n" + "\n".join(re.findall(r"```sh run\n(.*?)```", HOW_TO, re.DOTALL))
    (python,) = re.findall(r"```python run\n(.*?)```", HOW_TO, re.DOTALL)
    with ServerProcess(tmp_path / "data") as server:
        token = server.token("alice")
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as http:
            listed = http.get(f"{server.url}/api/v1/workspaces").json()
            workspace = listed["data"][0]["id"]
            environ = os.environ | {
                "TOKEN": token,
                "ENDPOINT": f"{server.url}/transfer/workspaces/{workspace}",
            }
            for command in (["bash", "-c", shell], [sys.executable, "-c", python]):
                subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)
            rows = http.get(f"{server.url}/api/v1/workspaces/{workspace}/files").json()["data"]

    assert {row["name"] for row in rows} == {"report.pdf", "report (2).pdf", "again.pdf"}
    assert {row["size"] for row in rows} == {200_008}
    assert len({row["digest"] for row in rows}) == 1


def test_every_extension_checksum_and_method_is_in_the_reference():
    from doorward.server.doors.transfer.checksums import ALGORITHMS
    from doorward.server.doors.transfer.tus import EXTENSIONS
    from doorward.server.doors.transfer.upload import METHODS

    assert re.findall(r"^\| `([a-z-]+)` \|", REFERENCE, re.MULTILINE) == list(EXTENSIONS)
    for word in (*ALGORITHMS, *METHODS.split(", ")):
        assert f"`{word}`" in REFERENCE, word


@pytest.mark.skipif(shutil.which("curl") is None, reason="LOUD: curl is not installed")
def test_a_ticket_is_bought_and_used_as_it_is_printed(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7" + bytes(200_000))
    shell = "set -eu\n" + "\n".join(re.findall(r"```sh run\n(.*?)```", TICKETS, re.DOTALL))
    with ServerProcess(tmp_path / "data") as server:
        token = server.token("alice")
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as http:
            listed = http.get(f"{server.url}/api/v1/workspaces").json()
            workspace = listed["data"][0]["id"]
            environ = os.environ | {
                "TOKEN": token,
                "SERVER": server.url,
                "WORKSPACE": workspace,
            }
            done = subprocess.run(
                ["bash", "-c", shell],
                cwd=tmp_path,
                env=environ,
                check=False,
                capture_output=True,
                text=True,
            )
            rows = http.get(f"{server.url}/api/v1/workspaces/{workspace}/files").json()["data"]

    assert done.returncode == 0, done.stderr
    assert [(row["name"], row["size"]) for row in rows] == [("report.pdf", 200_008)]


def test_every_field_of_a_ticket_is_in_the_how_to():
    from doorward.server.doors.fastio.asking import TicketIn

    for name in TicketIn.model_fields:
        assert f"`{name}`" in TICKETS, name
