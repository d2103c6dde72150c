"""Google's storage on loopback: a gate that knows one service account, and a server behind it.

No server here asks for Google's tokens, so the gate does: each request carries one that the account
signed. What ``obstore`` sends is the XML API. ``fake-gcs-server`` answers its ``HEAD``, ``GET`` and
``DELETE``. It refuses the ``PUT`` of an object ("invalid uploadType"), which the gate then says in
the words of the JSON API. It has no multipart uploads of the XML API (``POST ?uploads``,
``PUT ?partNumber``, ``POST ?uploadId``); their calls are those of S3, and versitygw answers them.
"""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from backing import free_port
from s3_server import ACCESS_KEY, SECRET_KEY, Bucket, wait_for

EMAIL = "doorward@test.iam.gserviceaccount.com"
_PASSED = {"range", "content-type", "if-match", "if-none-match"}
_KEPT = {"content-type", "content-length", "content-range", "etag", "last-modified"}
_REFUSED = b"<Error><Code>AuthenticationRequired</Code><Message>Who are you?</Message></Error>"

Ask = Callable[[str, str, dict[str, str], bytes], httpx2.Response]


def program() -> str:
    """Where the server is, which the Makefile installs where there is Go."""
    found = Path(sys.executable).with_name("fake-gcs-server")
    path = str(found) if found.exists() else shutil.which("fake-gcs-server")
    if path is None:
        pytest.skip("LOUD: fake-gcs-server is not installed; storage at Google's is not tried")
    return path


class Account:
    """A service account with a key that was made a moment ago."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self._key.public_key()
        self.pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def write(self, path: Path) -> str:
        """Give the path of its file, as Google hands it out."""
        told = {"type": "service_account", "client_email": EMAIL, "private_key_id": "test"}
        path.write_text(json.dumps({**told, "private_key": self.pem, "client_id": "1"}))
        return str(path)


class Gate(ThreadingHTTPServer):
    """Lets through what ``account`` signed and answers 401 to anything else."""

    daemon_threads = True

    def __init__(self, account: Account, ask: Ask) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self._account = account
        self.ask = ask
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.tokens: set[str] = set()
        self.passed: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def knows(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        self.tokens.add(token)
        try:
            claims = jwt.decode(
                token,
                self._account.public,
                algorithms=["RS256"],
                issuer=EMAIL,
                options={"require": ["exp", "iat", "sub", "scope"]},
            )
        except jwt.InvalidTokenError:
            return False
        return "auth/cloud-platform" in claims["scope"] and claims["sub"] == EMAIL

    def settings(self, bucket: str) -> dict[str, str]:
        return {
            "DOORWARD_STORAGE_URL": f"gs://{bucket}/some/where?endpoint={self.url}&retries=0",
        }


class _Visit(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.server.knows(self.headers.get("Authorization", "")):
            self._answer(401, {"content-length": str(len(_REFUSED))}, _REFUSED)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED}
        self.server.passed.append(f"{self.command} {self.path}")
        answer = self.server.ask(self.command, self.path, headers, body)
        kept = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT}
        self._answer(answer.status_code, {"content-length": "0", **kept}, answer.content)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - names of the library

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class GoogleServer:
    """fake-gcs-server over a folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        options = {
            "backend": "filesystem",
            "filesystem-root": folder,
            "scheme": "http",
            "host": "127.0.0.1",
            "port": port,
            "public-host": "127.0.0.1",
        }
        self._client = httpx2.Client(base_url=self.url, headers={"Accept-Encoding": "identity"})
        self._process = subprocess.Popen(
            [program(), *(f"-{name}={value}" for name, value in options.items())],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(timeout=20)

    def make_bucket(self, name: str) -> None:
        self._client.post("/storage/v1/b", json={"name": name}).raise_for_status()

    def objects(self, bucket: str) -> dict[str, int]:
        found = self._client.get(f"/storage/v1/b/{bucket}/o").json().get("items", [])
        return {row["name"]: int(row["size"]) for row in found}

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx2.Response:
        """Pass a request of the XML API on, a plain PUT in the words of the JSON API."""
        if method != "PUT" or "?" in path:
            return self._client.request(method, path, headers=headers, content=body)
        bucket, _, key = path.removeprefix("/").partition("/")
        query = {"uploadType": "media", "name": unquote(key)}
        put = self._client.post(
            f"/upload/storage/v1/b/{bucket}/o", params=query, headers=headers, content=body
        )
        return self._client.head(path) if put.is_success else put

    def _answers(self) -> bool:
        try:
            return self._client.get("/_internal/healthcheck").is_success
        except httpx2.TransportError:
            return False


def asking_s3(bucket: Bucket) -> Ask:
    """Pass requests on to an S3 server, signed as it wants them."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1")

    def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> httpx2.Response:
        parts = urlsplit(path)
        request = AWSRequest(
            method,
            f"{bucket.server.url}{quote(unquote(parts.path))}",
            headers,
            body,
            params=dict(parse_qsl(parts.query, keep_blank_values=True)),
        )
        signer.add_auth(request)
        ready = request.prepare()
        return httpx2.request(method, ready.url, headers=dict(ready.headers), content=body)

    return ask
