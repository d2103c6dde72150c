"""Operations, each declared once: what it takes, who may call it, and what may go wrong.

The declaration feeds the routes, OpenAPI, and the test that walks every operation as a stranger.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request

from doorward.server.doors.rest.bodies import ShallowRoute
from doorward.server.doors.rest.call import Call
from doorward.server.limits.model import SPENT_BY, bucket_of
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import API_KEY, DELEGATED_TOKEN, OAUTH_TOKEN, SESSION
from doorward.server.problems import (
    BudgetExhausted,
    CreditsExhausted,
    NotAuthenticated,
    Problem,
    RateLimited,
    RequestInvalid,
)
from doorward.server.usage.costs import takes_credits

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])

PEOPLE: frozenset[str] = frozenset({SESSION})
"""Credentials of people who are there themselves."""

KEYHOLDERS: frozenset[str] = PEOPLE | {API_KEY}
"""People and agents in their own name, with whom nobody acts for somebody else."""

EVERYBODY: frozenset[str] = KEYHOLDERS | {DELEGATED_TOKEN, OAUTH_TOKEN}
"""All credentials that speak for somebody; each is bounded by what it carries."""

CREDENTIALS = {
    SESSION: "A person's session token of Clerk.",
    API_KEY: "An API key of Doorward, dw_….",
    DELEGATED_TOKEN: "A token by which an agent acts for a person (RFC 8693).",
    OAUTH_TOKEN: "An access token of an OAuth client that acts for a person.",
}
"""What each kind is, for whoever reads OpenAPI."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the REST door; ``path`` is below ``/api/v1``."""

    method: str
    path: str
    name: str
    accepts: frozenset[str]
    action: Action | None
    raises: tuple[type[Problem], ...]
    status: int


class Operations:
    """A router that takes no route without a declaration."""

    all: list[Operation] = []  # noqa: RUF012 - the one register of the process

    def __init__(self, tag: str) -> None:
        self.router = APIRouter(tags=[tag], route_class=ShallowRoute)

    def operation(
        self,
        method: str,
        path: str,
        *,
        accepts: Iterable[str],
        action: Action | None,
        raises: tuple[type[Problem], ...],
        status: int = 200,
        also: Iterable[str] = (),
        **route: Any,
    ) -> Callable[[Handler], Handler]:
        """Declare and route a handler.

        ``accepts`` and ``action`` have no default, so an operation that leaves one out fails at
        import; ``action=None`` says aloud that any verified caller may call it. ``also`` names
        methods that it answers beside its own, such as HEAD.
        """

        def declare(handler: Handler) -> Handler:
            declared = Operation(
                method, path, handler.__name__, frozenset(accepts), action, raises, status
            )
            Operations.all.append(declared)
            self.router.add_api_route(
                path,
                handler,
                methods=[method, *also],
                status_code=status,
                name=declared.name,
                operation_id=declared.name,
                dependencies=[Depends(_admission(declared))],
                responses=_responses(declared),
                **route,
            )
            return handler

        return declare


def _admission(operation: Operation) -> Callable[[Request], Awaitable[None]]:
    async def admit(request: Request) -> None:
        call: Call = request.scope["state"]["call"]
        await call.begin(operation.action, operation.accepts)

    return admit


def _costing(action: Action | None) -> tuple[type[Problem], ...]:
    """Give what comes of spent budgets and credits, where an action spends any."""
    budget = (BudgetExhausted,) if bucket_of(action) in SPENT_BY or takes_credits(action) else ()
    return (*budget, *((CreditsExhausted,) if takes_credits(action) else ()))


def _responses(operation: Operation) -> dict[int | str, dict[str, Any]]:
    """Describe problems for OpenAPI, those of one status together."""
    described: dict[int | str, dict[str, Any]] = {}
    kinds: tuple[type[Problem], ...] = (
        NotAuthenticated,
        RequestInvalid,
        RateLimited,
        *_costing(operation.action),
        *operation.raises,
    )
    for problem in kinds:
        entry = described.setdefault(
            problem.status,
            {
                "description": "",
                "content": {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            },
        )
        line = f"`{problem.code}`: {problem.title}."
        entry["description"] = f"{entry['description']} {line}".strip()
    return described
