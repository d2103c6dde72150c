"""How this door answers: Fast.io's envelope, in success and in refusal, always JSON."""

import json
from collections.abc import Mapping

from doorward.clerk.authenticator import NOBODY
from doorward.server.doors.asgi import Send, respond
from doorward.server.doors.problem_json import PROBLEM_BASE, problem_headers
from doorward.server.problems import (
    Json,
    NotAuthenticated,
    Problem,
    RequestInvalid,
    RouteNotFound,
    VersionConflict,
)

API_VERSION = "1.0"
_INVALID = 1605
_BAD_REQUEST = 400
_NO_CREDENTIAL = 10011
# By status, what clients of Fast.io know it as; a status without a number there stands for itself.
_CODES = {
    400: _INVALID,
    401: 1650,
    402: 1696,
    403: 1680,
    404: 1609,
    405: 1658,
    409: _INVALID,
    410: 1609,
    411: _INVALID,
    412: _INVALID,
    413: 1685,
    415: _INVALID,
    422: _INVALID,
    429: 1671,
    507: 1685,
}
_OWN_CODES: dict[type[Problem], int] = {RouteNotFound: 9992, VersionConflict: 1660}


async def send_success(send: Send, status: int, payload: Mapping[str, Json]) -> None:
    """Answer with what came of it."""
    body = {"result": True, **payload, "current_api_version": API_VERSION}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    await respond(send, status, headers.items(), json.dumps(body).encode())


async def send_error(send: Send, problem: Problem, request_id: str, *, last: bool = True) -> None:
    """Answer with a problem; without ``last`` the caller ends the response itself."""
    body = {
        "result": False,
        "error": error_of(problem, request_id),
        "current_api_version": API_VERSION,
    }
    headers = problem_headers(problem) | {"Content-Type": "application/json"}
    encoded = json.dumps(body).encode()
    await respond(send, status_of(problem), headers.items(), encoded, last=last)


def error_of(problem: Problem, request_id: str) -> dict[str, Json]:
    """Give the member ``error``; ``error_code`` is the code that never changes.

    What a problem says beside comes first, so that it can never overwrite a standard member.
    """
    more = {name: value for name, value in problem.extra.items() if name != "errors"}
    return {
        **more,
        "code": code_of(problem),
        "text": problem.detail,
        "error_code": problem.code,
        "params": _params(problem),
        "documentation_url": f"{PROBLEM_BASE}#{problem.code}",
        "request_id": request_id,
    }


def status_of(problem: Problem) -> int:
    """Give the HTTP status: that of the problem, but for fields that are wrong."""
    return _BAD_REQUEST if isinstance(problem, RequestInvalid) else problem.status


def code_of(problem: Problem) -> int:
    """Give Fast.io's number."""
    if isinstance(problem, NotAuthenticated) and problem.reason in NOBODY:
        return _NO_CREDENTIAL
    own = _OWN_CODES.get(type(problem))
    return own or _CODES.get(problem.status, problem.status)


def _params(problem: Problem) -> Json:
    """Say which fields are wrong; of a conflict, what is there instead."""
    if isinstance(problem, VersionConflict):
        return {"current": problem.extra.get("current_version_id")}
    errors = problem.extra.get("errors")
    return errors if isinstance(errors, list) else []
