"""The OAuth door as one application: each path has one handler, and what none has is not there."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from doorward.server.doors.asgi import App, Receive, Scope, Send
from doorward.server.doors.oauth import metadata as paths
from doorward.server.doors.oauth.consent import ConsentPages
from doorward.server.doors.oauth.desk import Desk
from doorward.server.doors.oauth.pages import ASSETS
from doorward.server.doors.oauth.protocol import ProtocolEndpoints
from doorward.server.oauth.resources import RESOURCES
from doorward.server.problems import MethodNotAllowed, Problem, RouteNotFound

Handler = Callable[[Request], Awaitable[Response]]
# A client may be a page of any site: what it says is in what it sends, never in a cookie.
_SHARED = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    **_SHARED,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, mcp-protocol-version",
    "Access-Control-Max-Age": "600",
}


def create_oauth(desk: Desk) -> App:
    """Serve what clients ask, and the pages on which a person decides."""
    endpoints, pages = ProtocolEndpoints(desk), ConsentPages(desk)
    own: dict[tuple[str, str], Handler] = {
        ("GET", paths.AUTHORIZE): pages.show_sign_in,
        ("POST", paths.CONSENT): pages.ask,
        ("POST", paths.DECISION): pages.decide,
        **{("GET", path): _asset(path) for path in ASSETS},
    }
    shared: dict[tuple[str, str], Handler] = {
        ("POST", paths.TOKEN): endpoints.token,
        ("POST", paths.REVOKE): endpoints.revoke,
        ("POST", paths.INTROSPECT): endpoints.introspect,
        **{("GET", path): _said(body) for path, body in _documents(desk).items()},
    }
    if desk.registration:
        shared["POST", paths.REGISTER] = endpoints.register

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        method = "GET" if method == "HEAD" else method
        asked = (method, path)
        if method == "OPTIONS" and any(path == there for _, there in shared):
            response = Response(status_code=204, headers=_PREFLIGHT)
        elif asked in own:
            response = await own[asked](Request(scope, receive))
        elif asked in shared:
            response = await shared[asked](Request(scope, receive))
            response.headers.update(_SHARED)
        else:
            raise _refusal(path, [*own, *shared])
        await response(scope, receive, send)

    return app


def _documents(desk: Desk) -> Mapping[str, object]:
    """Give the documents by their paths; an issuer's own path comes last in its (RFC 8414)."""
    issuer = desk.rules.issuer
    below = urlsplit(issuer).path.rstrip("/")
    said: dict[str, object] = {}
    for suffix in {"", below}:
        said[paths.OF_SERVER + suffix] = paths.server_metadata(
            issuer, registration=desk.registration
        )
        for resource in RESOURCES:
            path = paths.OF_RESOURCE + suffix + resource.path
            said[path] = paths.resource_metadata(issuer, resource)
    return said


def _said(body: object) -> Handler:
    async def say(_: Request) -> Response:
        return JSONResponse(body, headers={"Cache-Control": "public, max-age=300"})

    return say


def _asset(path: str) -> Handler:
    file, media_type = ASSETS[path]

    async def give(_: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=300"}
        return FileResponse(file, media_type=media_type, headers=headers)

    return give


def _refusal(path: str, known: list[tuple[str, str]]) -> Problem:
    methods = sorted(method for method, there in known if there == path)
    if methods:
        return MethodNotAllowed(headers={"Allow": ", ".join(methods)})
    return RouteNotFound()
