"""Clients that nobody here wrote, over a network that cuts them, on a server that is killed."""

import asyncio
import json
import random
import shutil
import subprocess
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from acceptance.cutting import Site
from doorward.standin import DEFAULT_PARTY

NODE = Path(__file__).parents[1] / "node"
CHROMIUM = shutil.which("chromium")
SIZE = 12 << 20
TRIES = 400


@pytest.fixture
def content(tmp_path):
    content = random.Random(7).randbytes(SIZE)
    (tmp_path / "big.bin").write_bytes(content)
    return content


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path / "data", 20261125, least=1, most=2_500_000) as site:
        yield site


def check(site: Site, content: bytes, name: str) -> None:
    """One file is there, it is what was sent, and the next start leaves nothing beside it."""
    (row,) = site.files()
    assert (row["name"], row["size"]) == (name, len(content))
    assert sha256(site.content(row["id"])).hexdigest() == sha256(content).hexdigest()
    assert site.cutter.cuts > 2
    site.restart()
    assert site.leftovers() == set()


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "checksum"])
def test_tuspy_resumes_through_cuts_and_a_kill(site, content, checksum):
    from requests.exceptions import RequestException
    from tusclient.client import TusClient
    from tusclient.exceptions import TusCommunicationError, TusUploadFailed

    killed = site.restart_once_passed(4_000_000)
    client = TusClient(site.endpoint, headers={"Authorization": f"Bearer {site.token}"})
    uploader = client.uploader(
        file_stream=BytesIO(content),  # a path it would open again and again, and never close
        # Bytes with a checksum count only once all of a request is there.
        chunk_size=700_000 if checksum else 3_000_000,
        metadata={"filename": "tuspy.bin"},
        retries=TRIES,
        retry_delay=0.02,
        upload_checksum=checksum,
    )
    for _ in range(TRIES):
        try:
            uploader.upload()
            break
        except (TusCommunicationError, TusUploadFailed, RequestException):
            continue  # the creation itself was cut: it has no retries of its own
    killed.join()

    check(site, content, "tuspy.bin")


@pytest.mark.parametrize("several", [False, True], ids=["one", "concatenated"])
def test_aiotus_resumes_through_cuts_and_a_kill(site, content, several):
    import aiotus

    killed = site.restart_once_passed(4_000_000)
    config = aiotus.RetryConfiguration(retry_attempts=TRIES, max_retry_period_seconds=0.02)
    common = {
        "metadata": {"filename": b"aiotus.bin"},
        "config": config,
        "headers": {"Authorization": f"Bearer {site.token}"},
        "chunksize": 1_000_000,
    }

    async def send():
        if not several:
            return await aiotus.upload(site.endpoint, BytesIO(content), **common)
        third = SIZE // 3
        parts = [BytesIO(content[start : start + third]) for start in range(0, SIZE, third)]
        return await aiotus.upload_multiple(site.endpoint, parts, **common)

    assert asyncio.run(send()) is not None
    killed.join()

    check(site, content, "aiotus.bin")


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules/tus-js-client").exists(),
    reason="LOUD: tus-js-client is not in tests/node; run 'make test'",
)
@pytest.mark.parametrize("parallel", [1, 3])
def test_tus_js_client_resumes_through_cuts_and_a_kill(site, content, tmp_path, parallel):
    killed = site.restart_once_passed(4_000_000)

    done = subprocess.run(
        [
            "node",
            "tus.mjs",
            site.endpoint,
            site.token,
            tmp_path / "big.bin",
            "tus.bin",
            str(parallel),
        ],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    killed.join()
    location = json.loads(done.stdout)["location"]
    assert location == f"/api/v1/files/{site.files()[0]['id']}"
    check(site, content, "tus.bin")


CURL = r"""
set -u
url=$(curl -sf -X POST -H "Authorization: Bearer $TOKEN" -H 'Tus-Resumable: 1.0.0' \
  -H "Upload-Length: $(stat -c %s big.bin)" -D - -o /dev/null "$DIRECT?name=curl.bin" \
  | tr -d '\r' | sed -n 's/^location: //Ip')
for _ in $(seq 400); do
  offset=$(curl -sfI -H 'Tus-Resumable: 1.0.0' "$url" \
    | tr -d '\r' | sed -n 's/^upload-offset: //Ip')
  [ "$offset" = "$(stat -c %s big.bin)" ] && exit 0
  [ -n "$offset" ] && tail -c "+$((offset + 1))" big.bin | curl -sf -X PATCH -T - \
    -H 'Tus-Resumable: 1.0.0' -H "Upload-Offset: $offset" \
    -H 'Content-Type: application/offset+octet-stream' "$url" -o /dev/null || sleep 0.05
done
exit 1
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="LOUD: curl is not installed")
def test_curl_resumes_through_cuts_and_a_kill(site, content, tmp_path):
    direct = f"{site.server.url}/transfer/workspaces/{site.workspace}"
    killed = site.restart_once_passed(4_000_000)

    done = subprocess.run(
        ["bash", "-c", CURL],
        cwd=tmp_path,
        env={"TOKEN": site.token, "DIRECT": direct, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    killed.join()
    check(site, content, "curl.bin")


@pytest.mark.skipif(
    CHROMIUM is None or not (NODE / "node_modules/uppy").exists(),
    reason="LOUD: chromium is not installed, or uppy is not in tests/node; run 'make test'",
)
def test_uppy_in_a_browser_resumes_through_cuts_and_a_kill(site, content, tmp_path):
    """A page of another origin: every request is one that the browser asks for first."""
    killed = site.restart_once_passed(4_000_000)
    arguments = [CHROMIUM, DEFAULT_PARTY, site.endpoint, site.token, tmp_path / "big.bin"]

    done = subprocess.run(
        ["node", "uppy.mjs", *arguments],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    killed.join()
    assert done.stdout.startswith(f"{site.url}/transfer/up_")
    check(site, content, "uppy.bin")
