"""The application under test: one route, the same code for every guard that stands before it.

Under uvicorn, ``BENCH_GUARD`` names the guard and ``BENCH_TRUST`` is what it is told, as JSON.
"""

import json
import os
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from bench.guard_peers import Trust, doorward, peers
from doorward.asgi import ClerkMiddleware

UNGUARDED = "unguarded"
MIDDLEWARE = "Doorward's middleware"
DEPENDENCY = "Doorward's dependency"


class Account(BaseModel):
    """What the route answers."""

    id: str
    name: str
    organization: str | None
    files: int
    active: bool


def application(dependency: Any = None) -> FastAPI:
    """Make the application, its route guarded by a dependency if there is one."""
    app = FastAPI()
    guards = [] if dependency is None else [Depends(dependency)]

    @app.get("/me", dependencies=guards)
    async def me() -> Account:
        return Account(id="user_alice", name="Alice", organization="acme", files=3, active=True)

    return app


def guarded(name: str, trust: Trust) -> Any:
    """Make the application behind the guard of that name."""
    if name == UNGUARDED:
        return application()
    if name == MIDDLEWARE:
        return ClerkMiddleware(application(), doorward(trust))
    if name == DEPENDENCY:
        return application(doorward(trust).required)
    return application(peers()[name](trust))


def guards() -> list[str]:
    """Name every guard that can be measured here."""
    return [MIDDLEWARE, DEPENDENCY, *peers()]


if "BENCH_GUARD" in os.environ:
    app = guarded(os.environ["BENCH_GUARD"], Trust(**json.loads(os.environ["BENCH_TRUST"])))
