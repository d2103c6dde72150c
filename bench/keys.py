"""What a key costs: proved, let in at the entrance, and decided about."""

import asyncio
import hashlib
import hmac
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measuring import Candidate, added, figure, ratio, time_in_turns
from doorward.server.app import STANDIN, create_app
from doorward.server.doors.asgi import respond
from doorward.server.doors.context import RequestContext
from doorward.server.doors.house import House
from doorward.server.doors.rest.entrance import Entrance
from doorward.server.folder import prepare
from doorward.server.keys.format import mint_key
from doorward.server.keys.model import NewKey
from doorward.server.keys.proving import KeyProver
from doorward.server.keys.service import Minted, create_key
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.policy import Rights, decide
from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import ALL_SCOPES
from doorward.server.settings import load_settings
from doorward.server.store.sql.key_index import SqlKeyIndex
from doorward.server.store.sql.sqlite import open_engine
from doorward.standin import Standin

ROUNDS = 21
CALLS = 2000
KEYS = 200
_ORIGIN = Origin("req_bench", "127.0.0.1")


def run() -> list[dict]:
    """Measure in a server of this process over a real folder."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> list[dict]:
    settings = prepare(load_settings({"DOORWARD_LIMITS": "off"}, data=folder / "data", port=8999))
    app: Any = create_app(settings)
    house: House = app._app._doors._house  # noqa: SLF001 - what the application runs on
    standin = Standin.open(folder / "data" / STANDIN.strip("/"))
    keys = [await _made(house, standin) for _ in range(KEYS)]
    session = standin.mint("alice", ttl=3600)
    engine = open_engine(settings.database, durable=True)
    figures = await _proved(house, lambda: KeyProver(SqlKeyIndex(engine), house.sealer), keys)
    figures += await _let_in(house, keys[0], session)
    await asyncio.to_thread(house.store.close)  # type: ignore[attr-defined]
    return figures


async def _made(house: House, standin: Standin) -> str:
    standin.mint("alice")
    text = mint_key("live")
    now = house.clock().timestamp()
    who = Caller(
        "user_alice", Credential("session", "sess_1"), _ORIGIN, issued_at=now, proved_at=now
    )
    new = NewKey("bench", "live", ALL_SCOPES)
    minted = Minted.of(text, house.sealer)
    await house.store.write(lambda tx: create_key(tx, who, new, minted, 3600))
    return text.text


async def _proved(house: House, new_prover: Callable[[], KeyProver], keys: list[str]) -> list[dict]:
    prover, stranger = new_prover(), new_prover()
    secret, now = b"k" * 32, house.clock()
    rights = Rights(ALL_SCOPES, Role.EDITOR)

    def raw(text: str) -> None:
        hashlib.sha256(text.encode()).digest()
        hmac.digest(secret, text.encode(), "sha256")

    async def forgotten() -> None:
        nonlocal stranger
        stranger = new_prover()
        stranger.prove(keys[0], _ORIGIN, now)  # opens the file, once for each thread

    times = await time_in_turns(
        {
            "raw": Candidate(_calling(raw, keys, CALLS), CALLS),
            "again": Candidate(
                _calling(lambda text: prover.prove(text, _ORIGIN, now), keys[:1], CALLS), CALLS
            ),
            "first": Candidate(
                _calling(lambda text: stranger.prove(text, _ORIGIN, now), keys[1:], KEYS - 1),
                KEYS - 1,
                forgotten,
            ),
            "decide": Candidate(
                _calling(lambda _: decide(rights, Action.FILE_DELETE, "ws_1"), keys, CALLS), CALLS
            ),
        },
        ROUNDS,
    )
    return [
        figure("a key seen before, its row asked every time", times["again"], "us", "5"),
        ratio("the same / SHA-256 and HMAC alone", times["again"], times["raw"]),
        figure("a key at first sight", times["first"], "us", "50"),
        ratio("the same / SHA-256 and HMAC alone", times["first"], times["raw"]),
        figure("one decision of the policy", times["decide"], "us"),
    ]


def _calling(call: Callable[[str], Any], texts: list[str], calls: int) -> Callable[[], Any]:
    async def run() -> None:
        for number in range(calls):
            call(texts[number % len(texts)])

    return run


async def _let_in(house: House, key: str, session: str) -> list[dict]:
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await respond(send, 200, [], b"{}")

    entrance = Entrance(inside, house.identities, house)
    guarded = RequestContext(entrance, streaming=())
    bare = RequestContext(inside, streaming=())
    await _asking(guarded, session, 1)()  # makes the home
    times = await time_in_turns(
        {
            "bare": Candidate(_asking(bare, key, CALLS), CALLS),
            "key": Candidate(_asking(guarded, key, CALLS), CALLS),
            "session": Candidate(_asking(guarded, session, CALLS), CALLS),
        },
        ROUNDS,
    )
    return [
        added("let in by a key, above an unguarded application", times["key"], times["bare"]),
        added("let in by a session, above the same", times["session"], times["bare"]),
        ratio("requests a second: by keys / by sessions", times["session"], times["key"]),
        ratio("requests a second: by keys / unguarded", times["bare"], times["key"]),
    ]


def _asking(app: Any, token: str, calls: int) -> Callable[[], Any]:
    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message

    async def run() -> None:
        for _ in range(calls):
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/api/v1/me",
                "headers": [(b"authorization", b"Bearer " + token.encode())],
                "client": ("127.0.0.1", 1),
                "query_string": b"",
            }
            await app(scope, receive, send)

    return run
