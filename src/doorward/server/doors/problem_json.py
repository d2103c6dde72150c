"""Problems as RFC 9457 ``application/problem+json``: the one renderer of the HTTP doors."""

import json
from typing import Protocol

from doorward.server.doors.asgi import Send, respond
from doorward.server.problems import Json, Problem

MEDIA_TYPE = "application/problem+json"
PROBLEM_BASE = "/docs/problems"


class Render(Protocol):
    """What answers with a problem, in the form of one door."""

    async def __call__(
        self, send: Send, problem: Problem, request_id: str, *, last: bool = True
    ) -> None:
        """Answer with a problem; without ``last`` the caller ends the response itself."""


def problem_body(problem: Problem, request_id: str) -> dict[str, Json]:
    """Give the body; ``extra`` comes first, so that it can never overwrite a standard member."""
    return {
        **problem.extra,
        "type": problem.type_uri or f"{PROBLEM_BASE}#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }


def problem_headers(problem: Problem) -> dict[str, str]:
    """Give the headers: a challenge with every 401 (RFC 9110, section 15.5.2)."""
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **problem.headers}
    if problem.status == 401:  # noqa: PLR2004 - the status itself
        headers.setdefault("WWW-Authenticate", 'Bearer realm="doorward"')
    return headers


async def send_problem(send: Send, problem: Problem, request_id: str, *, last: bool = True) -> None:
    """Answer with a problem; without ``last`` the caller ends the response itself."""
    body = json.dumps(problem_body(problem, request_id)).encode()
    await respond(send, problem.status, problem_headers(problem).items(), body, last=last)
