"""JSON bodies, bounded before they are read."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from doorward.clerk.json_texts import nests_too_deeply
from doorward.server.problems import RequestMalformed


class ShallowRoute(APIRoute):
    """A route that refuses a body nested so deeply that reading it would exhaust the stack."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give FastAPI's handler, fed with a request that looks before it reads."""
        handle = super().get_route_handler()

        async def shallow(request: Request) -> Response:
            return await handle(_ShallowRequest(request.scope, request.receive))

        return shallow


class _ShallowRequest(Request):
    async def json(self) -> Any:
        if nests_too_deeply(await self.body()):
            raise RequestMalformed("The body's JSON nests too deeply.")
        return await super().json()
