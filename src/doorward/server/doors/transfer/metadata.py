"""What a client says of a file to come, in headers and in the query of the creation endpoint."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import replace
from email.message import Message
from urllib.parse import parse_qs, unquote

from pydantic import ValidationError

from doorward.server.doors.asgi import Scope, header
from doorward.server.doors.rest.schemas import UploadIn
from doorward.server.problems import Json, RequestInvalid, RequestMalformed
from doorward.server.uploads.model import NewUpload

NAME_DEFAULT = "upload"
METADATA_CHARACTERS_MAX = 8192
_KEY = re.compile(r"[!-+\--~]+")
_SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_EXACT_NAME = re.compile(r"filename\*=utf-8'[^']*'([^\s;]+)", re.IGNORECASE)
# Under these names clients send what Doorward calls otherwise; the first that is there counts.
_NAMES = {"name": ("filename", "name"), "content_type": ("filetype", "type")}
_OWN = ("parent_id", "on_conflict", "checksum", "size_max", "if_version_id")


def read_metadata(value: str | None) -> dict[str, str]:
    """Read ``Upload-Metadata``: keys, each once, with texts in Base64.

    Raises RequestMalformed.
    """
    if value is None or not value.strip():
        return {}
    pairs: dict[str, str] = {}
    for pair in value.split(","):
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in pairs:
            raise RequestMalformed("Upload-Metadata has a key that is empty, odd, or there twice.")
        pairs[key] = _text(key, encoded)
    return pairs


def declared_in_tus(scope: Scope, size: int | None, metadata: str | None) -> NewUpload:
    """Give the file to come as a tus client describes it; the query wins over the metadata.

    Raises RequestInvalid, RequestMalformed.
    """
    if metadata is not None and len(metadata) > METADATA_CHARACTERS_MAX:
        raise RequestMalformed(f"Upload-Metadata has over {METADATA_CHARACTERS_MAX} characters.")
    pairs = read_metadata(metadata)
    said: dict[str, str] = {name: pairs[name] for name in _OWN if pairs.get(name)}
    for name, keys in _NAMES.items():
        found = [pairs[key] for key in keys if pairs.get(key)]
        said |= {name: found[0]} if found else {}
    if "/" not in said.get("content_type", "/"):  # some mean another type than that of media
        del said["content_type"]
    return _declared(said | _queried(scope), size)


def declared_in_draft(scope: Scope, size: int | None) -> NewUpload:
    """Give the file to come as the draft's representation metadata describes it.

    Raises RequestInvalid.
    """
    said = {}
    media_type = header(scope, b"content-type")
    if media_type is not None:
        said["content_type"] = media_type
    name = _filename(header(scope, b"content-disposition"))
    if name:
        said["name"] = name
    digest = _SHA256.search(header(scope, b"repr-digest") or "")
    if digest:
        said["checksum"] = f"sha256:{b64decode(digest[1]).hex()}"
    return _declared(said | _queried(scope), size)


def _declared(said: dict[str, str], size: int | None) -> NewUpload:
    try:
        valid = UploadIn.model_validate({"name": NAME_DEFAULT, "size": 0} | said)
    except ValidationError as exc:
        errors: list[Json] = [
            {"where": ".".join(str(part) for part in error["loc"]), "what": str(error["msg"])}
            for error in exc.errors()
        ]
        raise RequestInvalid(errors=errors) from None
    return replace(valid.declared(), size=size)  # whether it is too large is the service's to say


def _queried(scope: Scope) -> dict[str, str]:
    try:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=16)
    except ValueError:
        raise RequestMalformed("The query has too many fields.") from None
    return {name: query[name][0] for name in (*_NAMES, *_OWN) if name in query}


def _text(key: str, encoded: str) -> str:
    try:
        return b64decode(encoded.strip(), validate=True).decode()
    except (NotBase64, ValueError):
        raise RequestMalformed(f"Upload-Metadata has a {key} that is not text in Base64.") from None


def _filename(disposition: str | None) -> str | None:
    """Read the name in a Content-Disposition, the exact form before the plain one (RFC 6266)."""
    if disposition is None:
        return None
    exact = _EXACT_NAME.search(disposition)
    if exact is not None:
        return unquote(exact[1])
    message = Message()
    message["Content-Disposition"] = disposition
    return message.get_filename()
