"""An application without a framework: the guard stands around it, whatever it is."""

import json
from typing import Any

from doorward.asgi import ClerkAuth, ClerkMiddleware, principal_of


async def api(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Say who is there; by the time a request comes here, somebody is."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/healthz":
        await answer(send, 200, {"healthy": True})
    elif scope["path"] == "/me":
        who = principal_of(scope)
        await answer(send, 200, {"user": who.user_id, "organization": who.org_id})
    elif scope["path"] == "/report" and not principal_of(scope).has(role="org:admin"):
        await answer(send, 403, {"detail": "Only admins see the report."})
    elif scope["path"] == "/report":
        await answer(send, 200, {"only": "admins"})
    else:
        await answer(send, 404, {"detail": "There is nothing here."})


async def answer(send: Any, status: int, body: dict[str, Any]) -> None:
    """Send one JSON body."""
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def lifespan(receive: Any, send: Any) -> None:
    """Have the keys before the first request, and close connections after the last."""
    await receive()
    await auth.warm_up()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await auth.aclose()
    await send({"type": "lifespan.shutdown.complete"})


auth = ClerkAuth()
app = ClerkMiddleware(api, auth=auth, exclude=["/healthz"])
