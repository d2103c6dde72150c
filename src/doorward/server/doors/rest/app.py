"""The REST door as one FastAPI application: its operations, and how its problems look."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from doorward._version import __version__
from doorward.server.doors.challenges import challenged
from doorward.server.doors.context import origin_of
from doorward.server.doors.problem_json import problem_body, problem_headers
from doorward.server.doors.rest import (
    alerts,
    audit,
    decisions,
    events,
    files,
    grants,
    images,
    imports,
    keys,
    links,
    tokens,
    transfers,
    uploads,
    usage,
    workspaces,
)
from doorward.server.doors.rest.call import Call
from doorward.server.doors.rest.operations import CREDENTIALS, Operations
from doorward.server.problems import (
    Internal,
    Json,
    MediaTypeUnsupported,
    MethodNotAllowed,
    Problem,
    RequestInvalid,
    RequestMalformed,
    RouteNotFound,
)

PREFIX = "/api/v1"
_ERRORS_SHOWN_MAX = 20
_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Further members say more, where the detail names them.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable; decide by this."},
        "request_id": {"type": "string"},
    },
}


def create_rest() -> FastAPI:
    """Build the application; ``Entrance`` must stand before it."""
    app = FastAPI(
        title="Doorward",
        version=__version__,
        description="Workspaces of files behind a door for people and agents.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for door in (
        workspaces.rest,
        workspaces.people,
        files.rest,
        images.rest,
        uploads.rest,
        links.rest,
        transfers.rest,
        imports.rest,
        events.rest,
        alerts.rest,
        audit.rest,
        keys.rest,
        decisions.rest,
        tokens.rest,
        usage.rest,
        grants.rest,
    ):
        app.include_router(door.router, prefix=PREFIX)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)
    return app


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI description, with the problems and the credential that each call takes."""
    described = FastAPI.openapi(app)
    components = described.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = {
        kind: {"type": "http", "scheme": "bearer", "description": said}
        for kind, said in CREDENTIALS.items()
    }
    for declared in Operations.all:
        call = described["paths"][PREFIX + declared.path][declared.method.lower()]
        call["security"] = [{kind: []} for kind in sorted(declared.accepts)]
        if declared.action is not None and declared.action.scope is not None:
            call["x-doorward-scope"] = declared.action.scope.value
    return described


async def _on_problem(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Problem)  # noqa: S101 - what the handler is registered for
    return _rendered(request, exc)


async def _on_http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101
    if isinstance(exc.__cause__, Problem):  # raised while FastAPI read the body
        return _rendered(request, exc.__cause__)
    if exc.status_code == 405:  # noqa: PLR2004 - the status itself
        return _rendered(request, MethodNotAllowed(headers=dict(exc.headers or {})))
    if exc.status_code == 404:  # noqa: PLR2004
        return _rendered(request, RouteNotFound())
    return _rendered(request, RequestMalformed())


async def _on_invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101
    return _rendered(request, _invalid(request, exc))


async def _on_bug(request: Request, exc: Exception) -> Response:
    del exc  # logged, with its trace, by the outermost layer, which sees it next
    return _rendered(request, Internal())


def _invalid(request: Request, exc: RequestValidationError) -> Problem:
    errors = exc.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return RequestMalformed("The body is not JSON.")
    media_type = request.headers.get("content-type", "")
    if exc.body is not None and not media_type.startswith("application/json"):
        return MediaTypeUnsupported()
    shown: list[Json] = [
        {"where": ".".join(str(part) for part in error["loc"]), "what": str(error["msg"])}
        for error in errors[:_ERRORS_SHOWN_MAX]
    ]
    return RequestInvalid(errors=shown)


def _rendered(request: Request, problem: Problem) -> Response:
    call: Call = request.scope["state"]["call"]
    problem = challenged(problem, call.house, call.who)
    body = problem_body(problem, origin_of(request.scope).request_id)
    return Response(json.dumps(body), problem.status, problem_headers(problem))
