"""Fast.io as far as storage goes, played over loopback: somebody else's service."""

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backing import free_port
from s3_server import wait_for

KEY = "fio_only-for-tests"
WORKSPACE = "4123456789012345678"
SINGLE_BYTES_MAX = 4 << 20
CHUNK_BYTES_MIN = 1 << 20
METHODS = ["GET", "POST", "DELETE"]
ROUTES = {
    "GET user/auth/check": "check",
    "GET auth/scopes": "show_scopes",
    "GET upload/limits": "show_limits",
    "POST upload": "begin",
    "POST upload/*/chunk": "take_chunk",
    "POST upload/*/complete": "complete",
    "GET upload/*/details": "show_upload",
    "DELETE upload/*": "forget_upload",
    "POST workspace/*/storage/*/createfolder": "make_folder",
    "GET workspace/*/storage/*/details": "show_node",
    "GET workspace/*/storage/*/list": "list_folder",
    "GET workspace/*/storage/*/read": "read",
    "DELETE workspace/*/storage/*/delete": "throw_away",
    "DELETE workspace/*/storage/*/purge": "purge",
}
WORDS = {word for route in ROUTES for word in route.split(" ")[1].split("/")} - {"*"}


class Refusal(Exception):
    def __init__(self, status: int, code: int, text: str = "", **headers: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.headers = status, code, text, headers


@dataclass
class Session:
    about: dict[str, str]
    chunks: dict[int, bytes] = field(default_factory=dict)
    status: str = "ready"
    node: str | None = None
    message: str = ""


@dataclass
class Node:
    id: str
    name: str
    parent: str
    content: bytes | None
    trashed: bool = False


@dataclass
class Call:
    steps: list[str]
    given: dict[str, str]
    file: bytes | None
    headers: Mapping[str, str]


class FastioServer:
    """Keeps to the reference's rules about sessions, chunks, nodes and the bin."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.sessions: dict[str, Session] = {}
        self.scopes = [f"workspace:{WORKSPACE}:rw"]
        self.faults: list[tuple[str, Refusal]] = []
        self.calls: list[str] = []
        self.shows_hash = True
        self.damages = False
        self.chunk_size = 100_000_000
        self.url = f"http://127.0.0.1:{free_port()}/current"
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=[Route("/{path:path}", self.answer, methods=METHODS)]),
                host="127.0.0.1",
                port=int(self.url.split(":")[2].split("/")[0]),
                log_config=None,
                lifespan="off",
                ws="none",
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    def settings(self, base: str | None = None, **options: object) -> dict[str, str]:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return {
            "DOORWARD_STORAGE_URL": f"fastio://{WORKSPACE}?{query}",
            "FASTIO_API_KEY": KEY,
            "FASTIO_API_BASE": base or self.url,
        }

    def files(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.content is not None]

    async def answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/current")
        self.calls.append(f"{request.method} {path}")
        steps = [step for step in path.split("/") if step]
        async with request.form() as form:
            file = await form["chunk"].read() if "chunk" in form else None
            given = dict(request.query_params) | {k: v for k, v in form.items() if k != "chunk"}
        try:
            self._authorize(request)
            self._fault(f"{request.method} {path}")
            handle = self._route(request.method, steps)
            answer = handle(Call(steps, given, file, request.headers))
        except Refusal as refusal:
            error = {"code": refusal.code, "text": refusal.text}
            return JSONResponse(
                {"result": False, "error": error}, refusal.status, headers=refusal.headers
            )
        if isinstance(answer, Response):
            return answer
        return JSONResponse({"result": True, **(answer or {}), "current_api_version": "1.0"})

    def _route(self, method: str, steps: list[str]):
        shown = "/".join(step if step in WORDS else "*" for step in steps)
        name = ROUTES.get(f"{method} {shown}")
        if name is None:
            raise Refusal(404, 9992, "unknown route")
        return getattr(self, name)

    def _authorize(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refusal(401, 1650, "credentials invalid")

    def _fault(self, call: str) -> None:
        for fault in self.faults:
            if fault[0] in call:
                self.faults.remove(fault)
                raise fault[1]

    def check(self, _):
        return {"id": "4000000000000000001"}

    def show_scopes(self, _):
        return {"scopes": self.scopes, "auth_type": "api_key", "full_access": not self.scopes}

    def show_limits(self, _):
        return {"chunk_size": self.chunk_size, "size": 1 << 30, "chunks": 35}

    def begin(self, call):
        if call.given["instance_id"] != WORKSPACE or call.given["profile_type"] != "workspace":
            raise Refusal(403, 1680, "access denied")
        session = Session(dict(call.given))
        upload = "5" + secrets.token_hex(14)
        self.sessions[upload] = session
        if call.file is None:
            return {"id": upload}
        content = call.file
        if len(content) > SINGLE_BYTES_MAX or len(content) != int(call.given["size"]):
            raise Refusal(400, 1605, "size")
        self._store(session, content)
        return {"id": upload, "new_file_id": session.node}

    def take_chunk(self, call):
        session = self._session(call.steps)
        if session.status not in {"ready", "uploading"}:
            raise Refusal(406, 1658, "wrong state")
        content = call.file
        if len(content) != int(call.given["size"]) or len(content) > self.chunk_size:
            raise Refusal(400, 1605, "size")
        if hashlib.new(call.given["hash_algo"], content).hexdigest() != call.given["hash"]:
            raise Refusal(400, 1605, "hash")
        session.status = "uploading"
        session.chunks[int(call.given["order"])] = content
        return {}

    def complete(self, call):
        session = self._session(call.steps)
        if session.status != "uploading":
            raise Refusal(406, 1658, "wrong state")
        content = b"".join(session.chunks[order] for order in sorted(session.chunks))
        short = [chunk for chunk in session.chunks.values() if len(chunk) < CHUNK_BYTES_MIN]
        if len(content) != int(session.about["size"]) or len(short) > 1:
            raise Refusal(400, 10522, "the chunks are not the file")
        session.status = "assembling"
        return {}

    def show_upload(self, call):
        session = self._session(call.steps)
        following = {"assembling": "storing", "storing": "stored"}
        session.status = following.get(session.status, session.status)
        if session.status == "stored" and session.node is None:
            self._store(session, b"".join(session.chunks[n] for n in sorted(session.chunks)))
        shown = {"id": call.steps[1], "status": session.status, "new_file_id": session.node}
        return {"session": shown | {"status_message": session.message}}

    def forget_upload(self, call):
        self._session(call.steps)
        del self.sessions[call.steps[1]]
        return {}

    def make_folder(self, call):
        for node in self.nodes.values():
            if (node.parent, node.name, node.content) == (call.steps[3], call.given["name"], None):
                return {"node": self._shown(node)}
        folder = Node("2" + secrets.token_hex(14), call.given["name"], call.steps[3], None)
        self.nodes[folder.id] = folder
        return {"node": self._shown(folder)}

    def show_node(self, call):
        return {"node": self._shown(self._node(call.steps)), "format": "single"}

    def list_folder(self, call):
        if call.given["page_size"] not in {"100", "250", "500"}:
            raise Refusal(400, 1605, "page_size")
        items = [n for n in self.nodes.values() if n.parent == call.steps[3] and not n.trashed]
        start = int(call.given.get("cursor", 0))
        page = items[start : start + 1]  # the smallest page, so that cursors are followed
        more = str(start + 1) if start + 1 < len(items) else None
        shown = [self._shown(node) for node in page]
        return {"nodes": {"count": len(page), "items": shown}, "next_cursor": more}

    def read(self, call):
        content = self._node(call.steps).content
        first, _, last = call.headers["range"].removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        shown = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return Response(part, 206, headers=shown, media_type="application/octet-stream")

    def throw_away(self, call):
        self._node(call.steps).trashed = True
        return {}

    def purge(self, call):
        if not self._node(call.steps).trashed:
            raise Refusal(406, 1658, "only what is in the bin")
        del self.nodes[call.steps[3]]
        return {}

    def _session(self, steps: list[str]) -> Session:
        if steps[1] not in self.sessions:
            raise Refusal(404, 1609, "not found")
        return self.sessions[steps[1]]

    def _node(self, steps: list[str]) -> Node:
        if steps[1] != WORKSPACE:
            raise Refusal(401, 10545, "not a member")
        if steps[3] not in self.nodes:
            raise Refusal(404, 1609, "not found")
        return self.nodes[steps[3]]

    def _store(self, session: Session, content: bytes) -> None:
        name, parent = session.about["name"], session.about["folder_id"]
        if self.damages:
            content = content[:-1] + bytes([content[-1] ^ 1])
        for node in self.nodes.values():
            if (node.name, node.parent) == (name, parent):
                node.content = content  # overwritten in place: the node stays
                break
        else:
            node = Node("2" + secrets.token_hex(14), name, parent, content)
            self.nodes[node.id] = node
        session.node, session.status = node.id, "stored"

    def _shown(self, node: Node) -> dict[str, object]:
        shown = {"id": node.id, "name": node.name, "parent": node.parent}
        if node.content is None:
            return shown | {"type": "folder"}
        shown |= {"type": "file", "size": len(node.content)}
        if self.shows_hash:
            digest = hashlib.sha256(node.content).hexdigest()
            shown |= {"hash": digest, "hash_algo": "sha256"}
        return shown


def until(seconds: float, form: str) -> str:
    """What a 429 says of when to come again."""
    at = time.time() + seconds
    return (
        str(int(at)) if form == "epoch" else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    )
