"""What ``obstore`` does not offer of S3: checksums that the store took, and uploads in parts.

Every request goes to a URL that we sign ourselves and that lives for a minute.
"""

import base64
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape, unescape

import httpx2

from doorward.server.integrity.model import StoredBlob
from doorward.server.problems import StorageFailed
from doorward.server.storage import RemoteStorage
from doorward.server.store.blobs.remote import at_latest, is_ours, remote_problem
from doorward.server.store.blobs.sigv4 import Signer

_LIFE_SECONDS = 60
_UPLOADS_MAX = 100
_ANSWER_BYTES_MAX = 1 << 20
_OK, _NOT_FOUND, _BAD_REQUEST, _ERROR = 200, 404, 400, 500
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)


class PartsRefused(Exception):
    """The store does not take these parts as the object."""


class S3Api:
    """The few requests of S3's own, tried again as often as the settings say."""

    def __init__(self, storage: RemoteStorage, signer: Signer) -> None:
        self._storage = storage
        self._signer = signer
        self._client: httpx2.AsyncClient | None = None

    @classmethod
    def of(cls, storage: RemoteStorage) -> "S3Api | None":
        """Give the API, None where the store is another one or has keys that we don't see."""
        if storage.scheme != "s3" or not storage.access_key_id or not storage.secret_access_key:
            return None
        signer = Signer(
            storage.region or "us-east-1",
            storage.access_key_id,
            storage.secret_access_key,
            storage.session_token,
        )
        return cls(storage, signer)

    async def leave(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def checksum(self, key: str) -> str | None:
        """Give the SHA-256 that the store took of an object as hex, None where it took none.

        Of an object in parts it is that of the parts' own, and ``-`` with their number follows.
        """
        answer = await self._ask("HEAD", key, {}, headers={"x-amz-checksum-mode": "ENABLED"})
        if answer.status_code != _OK:
            raise self._problem(answer)
        text = answer.headers.get("x-amz-checksum-sha256")
        if not text:
            return None
        digest, dash, count = text.partition("-")
        return base64.b64decode(digest).hex() + dash + count

    async def begin(self, key: str) -> str:
        """Begin an object in parts, and give the store's name of that."""
        answer = await self._ask("POST", key, {"uploads": ""})
        found = _element("UploadId", answer.text) if answer.status_code == _OK else None
        if found is None:
            raise self._problem(answer)
        return found

    def part_url(self, key: str, upload: str, number: int, *, size: int, life_seconds: int) -> str:
        """Give the URL that takes the bytes of one part by ``PUT``, so many and no others."""
        query = {"partNumber": str(number), "uploadId": upload}
        return self._signer.presigned(
            "PUT",
            self._address(key),
            query,
            at=datetime.now(UTC),
            life_seconds=life_seconds,
            headers={"content-length": str(size)},
        )

    async def complete(self, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> bool:
        """Make one object of the parts; says whether the store still had them as parts.

        Raises PartsRefused, StorageFull, StorageFailed.
        """
        body = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in parts
        )
        answer = await self._ask(
            "POST",
            key,
            {"uploadId": upload},
            content=f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode(),
        )
        # The store may begin a 200 before it knows, and tell of an error in the body.
        code = _element("Code", answer.text)
        if answer.status_code == _OK and code is None:
            return True
        if code == "NoSuchUpload":
            return False
        if answer.status_code == _BAD_REQUEST or code in {"InvalidPart", "InvalidPartOrder"}:
            raise PartsRefused(code)
        raise self._problem(answer)

    async def unfinished(self) -> AsyncGenerator[list[StoredBlob], None]:
        """Give what was begun under keys of our form and is no object yet, some at a time.

        What was begun several times under one key is given once: it goes together.
        """
        below, marker = self._name("") and f"{self._name('')}/", ""
        while True:
            listing = await self._uploads(below, marker)
            found = [self._upload(one, below) for one in _UPLOAD.findall(listing)]
            yield list({blob.key: blob for blob in found if blob is not None}.values())
            if _element("IsTruncated", listing) != "true":
                return
            earlier, marker = marker, _element("NextKeyMarker", listing) or ""
            if marker <= earlier:
                raise remote_problem(self._storage, "its list of uploads does not go on")

    async def is_begun(self, key: str) -> bool:
        """Say whether anything was begun under a key and is no object yet."""
        return any(self._begun(key, await self._uploads(self._name(key))))

    async def abort_all(self, key: str) -> None:
        """Remove the parts of whatever was begun under a key."""
        for upload in self._begun(key, await self._uploads(self._name(key))):
            gone = await self._ask("DELETE", key, {"uploadId": upload})
            if gone.status_code >= _BAD_REQUEST and gone.status_code != _NOT_FOUND:
                raise self._problem(gone)

    async def _uploads(self, prefix: str, after: str = "") -> str:
        """List uploads below a prefix, of keys behind the one where one is given."""
        query = {"uploads": "", "prefix": prefix, "max-uploads": str(_UPLOADS_MAX)}
        if after:
            query["key-marker"] = after
        answer = await self._ask("GET", None, query)
        if answer.status_code != _OK:
            raise self._problem(answer)
        return answer.text

    def _upload(self, found: str, below: str) -> StoredBlob | None:
        """Read one upload of a listing, None where it is not of ours."""
        name, since = _element("Key", found) or "", _element("Initiated", found)
        key = name.removeprefix(below)
        if since is None or not name.startswith(below) or not is_ours(key):
            return None
        since_at = at_latest(datetime.fromisoformat(since))
        return StoredBlob(key, 0, since_at, whole=False, remote=True)

    def _begun(self, key: str, listing: str) -> Iterable[str]:
        for found in _UPLOAD.findall(listing):
            upload = _element("UploadId", found)
            if upload is not None and _element("Key", found) == self._name(key):
                yield upload

    async def _ask(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """Ask until the store answers anything but an error of its own."""
        for left in range(self._storage.retries, -1, -1):
            url = self._signer.presigned(
                method,
                self._address(key),
                query,
                at=datetime.now(UTC),
                life_seconds=_LIFE_SECONDS,
                headers=headers,
            )
            try:
                answer = await self._open().request(method, url, headers=headers, content=content)
            except httpx2.TransportError as exc:
                if not left:
                    raise remote_problem(self._storage, type(exc).__name__) from None
            else:
                if answer.status_code < _ERROR or not left:
                    return answer
        raise StorageFailed

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=self._storage.timeout_seconds)
        return self._client

    def _problem(self, answer: httpx2.Response) -> Exception:
        code = _element("Code", answer.text[:_ANSWER_BYTES_MAX])
        return remote_problem(self._storage, f"{answer.status_code} {code or ''}")

    def _name(self, key: str) -> str:
        return "/".join(filter(None, (self._storage.prefix, key)))

    def _address(self, key: str | None) -> str:
        """Give the URL of an object, or of the bucket for None, without a query."""
        storage = self._storage
        base = storage.endpoint
        if base is None and storage.path_style:
            base = f"https://s3.{self._signer.region}.amazonaws.com"
        elif base is None:
            return (
                f"https://{storage.bucket}.s3.{self._signer.region}.amazonaws.com/{self._path(key)}"
            )
        elif not storage.path_style:
            return f"{base}/{self._path(key)}"  # whose host names the bucket, as obstore has it
        return f"{base}/{quote(storage.bucket)}/{self._path(key)}".removesuffix("/")

    def _path(self, key: str | None) -> str:
        return "" if key is None else quote(self._name(key), safe="/-_.~")


def _element(name: str, text: str) -> str | None:
    """Give the text of the first element of that name; the store's answers have no depth."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return None if found is None else unescape(found[1], {"&quot;": '"'})
