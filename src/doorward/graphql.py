"""The guard for Strawberry: who is there, and which fields they may have.

schema = strawberry.Schema(Query)
app.include_router(GraphQLRouter(schema, context_getter=context(auth)), prefix="/graphql")

@strawberry.field(permission_classes=[SignedIn])
async def me(self, info: strawberry.Info) -> str:
    return (await principal(info)).user_id
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import HTTPConnection, Request
from strawberry.exceptions import StrawberryGraphQLError
from strawberry.fastapi import BaseContext
from strawberry.permission import BasePermission

from doorward.clerk.auth import ClerkAuth, check_question
from doorward.clerk.refusals import NO_TOKEN, Refusal, Unavailable
from doorward.fastapi import response_to
from doorward.identity.principal import Principal

__all__ = ["Context", "SignedIn", "context", "principal", "requires", "while_valid"]

_Item = TypeVar("_Item")
_PARAMETER = "authorization"


class Context(BaseContext):
    """What a resolver finds in ``info.context``; a base for a context of your own."""

    def __init__(self, auth: ClerkAuth, caller: Principal | None) -> None:
        super().__init__()
        self.auth = auth
        self._caller = caller

    async def caller(self) -> Principal | None:
        """Give who is there, None for nobody.

        Over a WebSocket the token may come in the ``Authorization`` of ``connection_init``, and
        who is there is judged again each time: the socket outlives its credential. Raises Refusal
        for a bad one.
        """
        if self._caller is not None and not isinstance(self.request, Request):
            await self.auth.authenticator.still_valid(self._caller)
        if self._caller is None and isinstance(self.connection_params, Mapping):
            headers = [
                (b"authorization", str(value).encode("latin-1", "replace"))
                for name, value in self.connection_params.items()
                if str(name).lower() == _PARAMETER
            ]
            scope = {"type": "http", "method": "GET", "headers": headers}
            self._caller = await self.auth.authenticator.authenticate_optional(scope)
        return self._caller


def context(auth: ClerkAuth) -> Callable[[HTTPConnection], Awaitable[Context]]:
    """Make Strawberry's ``context_getter``: only who comes with a bad token is refused."""

    async def get_context(connection: HTTPConnection) -> Context:
        try:
            caller = await auth.authenticator.authenticate_optional(connection.scope)
        except Refusal as refusal:
            raise response_to(connection, refusal) from refusal
        return Context(auth, caller)

    return get_context


async def principal(info: Any) -> Principal:
    """Give the verified caller; an error with the code UNAUTHENTICATED where there is none."""
    try:
        caller = await info.context.caller()
    except Refusal as refusal:
        raise _refused(refusal) from refusal
    if caller is None:
        raise _error("Not authenticated", "UNAUTHENTICATED", reason=NO_TOKEN)
    who: Principal = caller
    return who


class SignedIn(BasePermission):
    """Lets in whoever is signed in."""

    async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        """Make sure that somebody is there; an error with the code UNAUTHENTICATED otherwise."""
        del source, kwargs
        await principal(info)
        return True


def requires(**asked: Any) -> type[BasePermission]:
    """Make a permission class that lets in only callers who have all that is asked for.

    Takes what ``Principal.has`` takes. Refuses with the code FORBIDDEN, and ``missing``. Raises
    TypeError for a word it does not know, and ValueError where nothing is asked.
    """
    check_question(asked)

    class Requires(BasePermission):
        async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
            del source, kwargs
            missing = (await principal(info)).missing(**asked)
            if missing:
                message = f"Missing: {', '.join(missing)}"
                raise _error(message, "FORBIDDEN", missing=list(missing))
            return True

    return Requires


async def while_valid(info: Any, items: AsyncIterator[_Item]) -> AsyncIterator[_Item]:
    """Pass a subscription's items on for as long as the caller is let in."""
    who = await principal(info)
    async for item in items:
        try:
            await info.context.auth.authenticator.still_valid(who)
        except Refusal as refusal:
            raise _refused(refusal) from refusal
        yield item


def _refused(refusal: Refusal) -> StrawberryGraphQLError:
    code = "UNAVAILABLE" if isinstance(refusal, Unavailable) else "UNAUTHENTICATED"
    return _error(refusal.detail, code, reason=refusal.reason)


def _error(message: str, code: str, **more: Any) -> StrawberryGraphQLError:
    return StrawberryGraphQLError(message, extensions={"code": code} | more)
