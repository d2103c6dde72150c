"""No header and no cookie whatever gets anything but an answer, nor in without a good token."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import atheris
from harness import NOW, fuzz

with atheris.instrument_imports(include=["doorward"]):
    from doorward.asgi import ClerkAuth, ClerkMiddleware, principal_of
    from doorward.standin import Standin

NAMES = (b"authorization", b"cookie", b"origin", b"sec-fetch-site", b"sec-websocket-protocol")
PARTY = "https://app.example.com"
STATUSES = {200, 401, 503}

standin = Standin.open(Path(tempfile.mkdtemp(prefix="doorward-fuzz-key-")), clock=lambda: NOW)
token = standin.mint("alice", azp=PARTY)
auth = ClerkAuth(
    jwt_key=standin.public_key_pem,
    publishable_key=standin.publishable_key,
    authorized_parties=[PARTY],
    now=lambda: NOW,
)
loop = asyncio.new_event_loop()


async def application(scope: Any, _: Any, send: Any) -> None:
    assert principal_of(scope).user_id == "user_alice"
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
    else:
        await send({"type": "websocket.accept"})


guard = ClerkMiddleware(application, auth)


def test_one(data: bytes) -> None:
    first, *lines = data.split(b"\n")
    parts = [line.partition(b": ") for line in lines]
    scope = {
        "type": "websocket" if first.startswith(b"w") else "http",
        "method": "POST" if first.endswith(b"p") else "GET",
        "path": "/",
        "headers": [(name, value) for name, _, value in parts],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    loop.run_until_complete(guard(scope, receive, send))
    if scope["type"] == "http":
        assert sent[0]["status"] in STATUSES
    else:
        assert sent[0]["type"] == "websocket.accept" or sent[0]["code"] in {4401, 4503}


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Change one header, or put one more beside."""
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    if chance.random() < 0.4:
        value = chance.choice([b"", b"Bearer ", b"bearer " + token.encode(), b"same-origin"])
        lines.insert(place + 1, chance.choice(NAMES) + b": " + value)
    else:
        name, colon, value = lines[place].partition(b": ")
        lines[place] = name + colon + bytes(atheris.Mutate(value, len(value) + 64))
    return b"\n".join(lines)


def seeds() -> list[bytes]:
    suffix = auth.authenticator._cookies.application.cookie_suffix
    plain = f"__session={token}; __client_uat={int(NOW)}"
    both = f"{plain}; __session_{suffix}={quote(token)}; __client_uat_{suffix}=0"
    return [
        f"hg\nauthorization: Bearer {token}".encode(),
        f"hp\norigin: {PARTY}\ncookie: {plain}".encode(),
        f"hg\nsec-fetch-site: same-origin\ncookie: {both}".encode(),
        f"wg\nsec-websocket-protocol: chat, doorward.bearer, {token}".encode(),
    ]


if __name__ == "__main__":
    fuzz(test_one, seeds(), mutant)
