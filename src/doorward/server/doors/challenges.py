"""What a client learns from being refused: where tokens are had, and which would be enough."""

from doorward.server.doors.house import House
from doorward.server.oauth.model import OFFERED
from doorward.server.permission.caller import OAUTH_TOKEN, Caller
from doorward.server.problems import NotAuthenticated, PermissionDenied, Problem

_SCOPE = "scope "


def challenged(problem: Problem, house: House, who: Caller | None = None) -> Problem:
    """Give a problem with the challenge that belongs to it (RFC 6750, section 3; RFC 9728).

    Only a missing scope is one that the client can do something about: it asks for what it has
    and what it lacks, all at once. Whoever lacks a role learns of no scope.
    """
    if not house.challenge:
        return problem
    if isinstance(problem, NotAuthenticated):
        said = problem.headers.get("WWW-Authenticate", 'Bearer realm="doorward"')
        problem.headers["WWW-Authenticate"] = f"{said}, {house.challenge}"
    elif isinstance(problem, PermissionDenied) and who and who.credential.kind == OAUTH_TOKEN:
        _name_scope(problem, house, who)
    return problem


def _name_scope(problem: PermissionDenied, house: House, who: Caller) -> None:
    missing = str(problem.extra.get("missing", "")).removeprefix(_SCOPE)
    if missing in OFFERED:
        enough = " ".join(sorted({*who.scopes, missing}))
        where = house.challenge.partition(", scope=")[0]
        problem.headers["WWW-Authenticate"] = (
            f'Bearer realm="doorward", error="insufficient_scope", scope="{enough}", {where}'
        )
