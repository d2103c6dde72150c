"""A market over GraphQL: open fields, guarded fields, and prices for as long as one is let in."""

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import strawberry
from fastapi import FastAPI
from strawberry.fastapi import GraphQLRouter

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import SqliteState
from doorward.fastapi import ClerkAuth
from doorward.graphql import SignedIn, context, principal, requires, while_valid

DATA = Path(os.environ.get("DATA", "."))
revocations = Revocations(SqliteState(DATA / "state.db"))
clerk = ClerkAuth(revocation=revocations)


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    def opening_hours(self) -> str:
        """Anybody may know."""
        return "9 to 5"

    @strawberry.field(permission_classes=[SignedIn])
    async def me(self, info: strawberry.Info) -> str:
        """Whoever is signed in, and so knows who they are."""
        return (await principal(info)).user_id

    @strawberry.field(permission_classes=[requires(permission="org:trades:read")])
    async def trades(self, info: strawberry.Info) -> list[str]:
        """For those with the permission, in their own organization."""
        return [f"a trade of {(await principal(info)).org_id}"]

    @strawberry.field(permission_classes=[requires(role="org:admin")])
    def fees(self) -> int:
        """Only for admins."""
        return 7


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation(permission_classes=[SignedIn])
    async def sign_out(self, info: strawberry.Info) -> bool:
        """End the caller's session, and with it what it subscribed to."""
        await revocations.revoke_session((await principal(info)).session_id)
        return True


@strawberry.type
class Subscription:
    """What can be followed."""

    @strawberry.subscription(permission_classes=[SignedIn])
    async def prices(self, info: strawberry.Info, every_ms: int = 1000) -> AsyncIterator[int]:
        """Give a price now and then, and none after the credential ended."""
        async for price in while_valid(info, _prices(max(every_ms, 10) / 1000)):
            yield price


async def _prices(seconds: float) -> AsyncIterator[int]:
    for number in count():
        yield 100 + number % 10
        await asyncio.sleep(seconds)


schema = strawberry.Schema(Query, Mutation, Subscription)
app = FastAPI(title="Market")
clerk.add_cors(app)
app.include_router(GraphQLRouter(schema, context_getter=context(clerk)), prefix="/graphql")
