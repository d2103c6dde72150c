"""The addresses of this door, each with and without a slash at its end, and never a redirect."""

from enum import Enum

from doorward.server.doors.asgi import Scope
from doorward.server.problems import MethodNotAllowed, RouteNotFound

PREFIX = "/current/"
UPLOADS = f"{PREFIX}upload/"
_ID_CHARACTERS_MAX = 80


class Route(Enum):
    """What is served here, with the methods that each takes."""

    ADD = ("POST",)
    PUT = ("PUT", "POST")
    DETAILS = ("GET",)

    @property
    def allowed(self) -> str:
        """Give the header ``Allow``."""
        return ", ".join(["OPTIONS", *self.value])


def route_of(scope: Scope) -> tuple[Route, str]:
    """Give the route of a path, with the workspace or upload it names; raises RouteNotFound."""
    match scope["path"].removeprefix(PREFIX).removesuffix("/").split("/"):
        case ["upload", "workspace", workspace_id, "add"] if workspace_id:
            return Route.ADD, workspace_id[:_ID_CHARACTERS_MAX]
        case ["upload", upload_id, "put"] if upload_id:
            return Route.PUT, upload_id[:_ID_CHARACTERS_MAX]
        case ["upload", upload_id, "details"] if upload_id:
            return Route.DETAILS, upload_id[:_ID_CHARACTERS_MAX]
    raise RouteNotFound


def check_method(scope: Scope, route: Route) -> None:
    """Make sure that the route takes the method; raises MethodNotAllowed."""
    if scope["method"] not in route.value:
        raise MethodNotAllowed(headers={"Allow": route.allowed})


def ticket_path(upload_id: str) -> str:
    """Give the path that takes the bytes of a ticket."""
    return f"{UPLOADS}{upload_id}/put/"
