"""What a request says in its query, its form or its JSON: one set of texts, and bounded."""

from urllib.parse import parse_qs

import msgspec

from doorward.server.doors.asgi import Receive, Scope, header, read_body
from doorward.server.problems import (
    MediaTypeUnsupported,
    RequestInvalid,
    RequestMalformed,
)

BODY_BYTES_MAX = 64 << 10
FIELDS_MAX = 32
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
# Flat: whatever nests is refused where it begins, so no depth can cost anything.
_Flat = dict[str, str | int | float | bool | None]
_DECODER = msgspec.json.Decoder(_Flat)


async def read_fields(scope: Scope, receive: Receive) -> dict[str, str]:
    """Give all fields as texts; one that is empty or null counts as not there.

    Raises RequestMalformed, RequestInvalid, RequestTooLarge, MediaTypeUnsupported.
    """
    body = await read_body(receive, BODY_BYTES_MAX)
    return _union(_pairs(scope["query_string"]), _body_fields(scope, body))


def _body_fields(scope: Scope, body: bytes) -> dict[str, str]:
    if not body:
        return {}
    kind = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if kind == FORM:
        return _pairs(body)
    if kind != JSON:
        raise MediaTypeUnsupported(f"Send the fields as {FORM} or as {JSON}.")
    try:
        found = _DECODER.decode(body)
    except (ValueError, RecursionError):
        raise RequestMalformed("The body is not one flat object of JSON.") from None
    if len(found) > FIELDS_MAX:
        raise RequestMalformed("The body has too many fields.")
    return {name: text for name, value in found.items() if (text := _text(value))}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _pairs(encoded: bytes) -> dict[str, str]:
    try:
        found = parse_qs(
            encoded.decode(), max_num_fields=FIELDS_MAX, errors="strict", keep_blank_values=True
        )
    except ValueError:
        raise RequestMalformed("The fields are not UTF-8, or too many.") from None
    for name, values in found.items():
        if len(set(values)) > 1:
            raise _said_twice(name)
    return {name: values[0] for name, values in found.items() if values[0]}


def _union(query: dict[str, str], body: dict[str, str]) -> dict[str, str]:
    """Take both; a field that they contradict each other in could be read either way."""
    for name in query.keys() & body.keys():
        if query[name] != body[name]:
            raise _said_twice(name)
    return query | body


def _said_twice(name: str) -> RequestInvalid:
    name = name[:80]
    return RequestInvalid(
        f"The field {name} is there twice, with two values.",
        errors=[{"name": name, "kind": "invalid", "message": "It has two values."}],
    )
