"""What a type checker knows of the guard for GraphQL; read by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, assert_type

from starlette.requests import HTTPConnection
from strawberry.permission import BasePermission

from doorward.fastapi import ClerkAuth, Principal
from doorward.graphql import Context, context, principal, requires, while_valid

getter = context(ClerkAuth())
assert_type(getter, Callable[[HTTPConnection], Awaitable[Context]])
assert_type(requires(role="org:admin"), type[BasePermission])


async def resolved(info: Any, found: Context, numbers: AsyncIterator[int]) -> None:
    assert_type(await principal(info), Principal)
    assert_type(await found.caller(), Principal | None)
    async for number in while_valid(info, numbers):
        assert_type(number, int)
