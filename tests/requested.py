"""A good request for each operation that the matrix asks about."""

from base64 import b64encode
from collections.abc import Callable

NOWHERE = {
    "workspace_id": "ws_" + "a" * 26,
    "file_id": "file_" + "a" * 26,
    "upload_id": "up_" + "a" * 26,
    "link_id": "link_" + "a" * 26,
    "key_id": "key_" + "a" * 26,
    "user_id": "user_nobody",
    "request_id": "req_" + "0" * 32,
    "transfer_id": "tr_" + "a" * 26,
    "token": "dwt_" + "a" * 52,
    "grant_id": "grant_" + "a" * 26,
}


_OF_A_WORKSPACE = {"GET /events", "GET /audit", "GET /audit/export", "GET /links", "GET /alerts"}


def request_of(
    operation: str, ids: dict[str, str], name: str
) -> tuple[str, str, dict[str, object]]:
    """Give a good request for an operation on those things, with a name that is not taken."""
    method, path = operation.split(" ")[:2]
    sent = dict(_SENT.get(operation, lambda _: {})(name))
    if path.endswith("/zip") and "folder_id" in ids:
        ids = ids | {"file_id": ids["folder_id"]}
    if operation in _OF_A_WORKSPACE:
        sent["params"] = {"workspace": ids["workspace_id"]}
    if operation == "GET /explain":
        sent["params"] = {"action": "file:read", "resource": ids["file_id"]}
    prefix = "" if path.startswith(("/transfer/", "/current/")) else "/api/v1"
    return method, prefix + path.format(**ids), sent


def use(client, operation: str, url: str):
    """Use a signed URL as one does, with bytes where it takes some."""
    method = operation.split(maxsplit=1)[0]
    ticket = operation.startswith("POST /current")
    sent = {"files": {"file": ("a", b"a")}} if ticket else _WITH.get(method, {})
    return client.request(method, url, **sent)


_BYTES = {"content": b"a"}
_APPENDED = {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}
_WITH = {"PUT": _BYTES, "PATCH": _BYTES | {"headers": _APPENDED}}
_TUS = {"Tus-Resumable": "1.0.0"}
_SENT: dict[str, Callable[[str], dict[str, object]]] = {
    "POST /workspaces": lambda n: {"json": {"name": n}},
    "PATCH /workspaces/{workspace_id}": lambda n: {"json": {"name": n}},
    "POST /workspaces/{workspace_id}/members": lambda n: {
        "json": {"user_id": f"user_{n}", "role": "viewer"}
    },
    "PATCH /workspaces/{workspace_id}/members/{user_id}": lambda _: {"json": {"role": "viewer"}},
    "POST /workspaces/{workspace_id}/transfers": lambda _: {"json": {"keeps": "viewer"}},
    "POST /workspaces/{workspace_id}/folders": lambda n: {"json": {"name": n}},
    "PATCH /files/{file_id}": lambda n: {"json": {"name": n}},
    "POST /workspaces/{workspace_id}/uploads": lambda n: {"json": {"name": n, "size": 1}},
    "POST /workspaces/{workspace_id}/imports": lambda _: {"json": {"url": "http://127.0.0.1:1/x"}},
    "POST /uploads/{upload_id}/complete": lambda _: {
        "json": {"parts": [{"number": 1, "etag": "x"}]}
    },
    "PATCH /links/{link_id}": lambda _: {"json": {"uses": 9}},
    "POST /keys": lambda n: {"json": {"name": n, "scopes": ["files:read"]}},
    "PATCH /keys/{key_id}": lambda n: {"json": {"name": n}},
    "POST /token/revoke": lambda _: {"json": {"token": "x"}},
    "POST /transfer/workspaces/{workspace_id} (tus)": lambda n: {
        "headers": _TUS
        | {
            "Upload-Length": "3",
            "Upload-Metadata": f"filename {b64encode(n.encode()).decode()}",
        }
    },
    "POST /transfer/workspaces/{workspace_id} (tus, of parts)": lambda _: {
        "headers": _TUS | {"Upload-Concat": f"final;/transfer/{NOWHERE['upload_id']}"}
    },
    "POST /transfer/workspaces/{workspace_id} (IETF)": lambda n: {
        "headers": {
            "Upload-Complete": "?0",
            "Upload-Length": "3",
            "Content-Disposition": f'inline; filename="{n}"',
        }
    },
    "POST /current/upload/workspace/{workspace_id}/add": lambda n: {"json": {"name": n}},
}
