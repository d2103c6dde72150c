"""No more than seven characters of a credential in any log, warning, message or representation.

Every guard is driven with good and bad credentials, every logger at DEBUG and the event loops in
debug mode. Then all that came out is searched, and with it what every object of the toolkit shows.
"""

import asyncio
import gc
import logging
import traceback
import warnings
from contextlib import suppress
from io import StringIO
from itertools import product
from typing import Annotated

import pytest
import strawberry
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from strawberry.fastapi import GraphQLRouter

import doorward
from clerk.served import ServedKeys
from doorward import webhooks
from doorward.asgi import ClerkMiddleware
from doorward.clerk.configuration import ClerkOptions
from doorward.clerk.cookies import session_cookies
from doorward.clerk.tokens import parse
from doorward.compat.fastapi_clerk_auth import ClerkConfig, ClerkHTTPBearer
from doorward.fastapi import ClerkAuth, ClerkWebhook, ConfigurationError, Principal
from doorward.graphql import SignedIn, context
from support import NOON, Clock

EIGHT = 8
SECRET_KEY = "sk_test_Zq7Rk2Vw9Xb4Nc6Mt8Jp"
MACHINE_KEY = "ak_Lh3Gd5Sf7Kj9Qw1Er4Ty"
WEBHOOK_SECRET = "whsec_Yk5Wc2Jm8Rt4Xv6Nz1Qb3Lp7Hd9Gf0Sa"
OPAQUE = [
    "ak_Bv8Nm3Kx6Lz1Qp5Wd",
    "mt_Uy4Tr7Ew2Qa9Sd6Fg",
    "oat_Hj5Kl8Mn3Bv1Cx7Zp",
    "ak_Odd$Shape!Here9",
]
EVERY_KIND = ("session_token", "m2m_token", "api_key", "oauth_token")
STATUSES = [200, 401, 500]
PARTY = "http://127.0.0.1:8040"
TOOLKIT = (
    "doorward.asgi",
    "doorward.clerk",
    "doorward.fastapi",
    "doorward.graphql",
    "doorward.identity",
    "doorward.standin",
)


class Written:
    """All that was written somewhere, to be searched."""

    def __init__(self) -> None:
        self.text = StringIO()

    def add(self, *shown: object) -> None:
        for one in shown:
            self.text.write(f"{one!r}\n{one!s}\n")

    def failed(self, exc: BaseException) -> None:
        """Take in an error as a log shows it, and whatever it carries along."""
        self.text.write("".join(traceback.format_exception(exc)))
        link: BaseException | None = exc
        while link is not None:
            self.add(link, link.args, {k: v for k, v in vars(link).items() if k != "asked"})
            link = link.__cause__ or link.__context__

    def of(self, secrets: list[str]) -> set[str]:
        """Give every piece of eight characters of a secret that was written."""
        written = self.text.getvalue()
        pieces = {s[at : at + EIGHT] for s in secrets for at in range(len(s) - EIGHT + 1)}
        return {piece for piece in pieces if piece in written}


@pytest.fixture
def written():
    """Everything that is logged at any level, or warned of, while the test runs."""
    found = Written()
    handler = logging.StreamHandler(found.text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)r"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield found
        found.add(*[str(warning.message) for warning in warned])
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture
def clerk(issuer):
    with ServedKeys(issuer) as served:
        served.posted = {"object": "api_key", "subject": "user_1"}
        served.posted |= {"revoked": False, "expired": False}
        yield served


def tokens(issuer, stranger) -> list[str]:
    """Good and bad tokens of every sort; of those without one, there is no signature to tell."""
    good = issuer.mint("alice", org="acme", role="org:admin")
    first, payload, signature = good.split(".")
    return [
        good,
        issuer.mint("alice", ttl=-60),
        issuer.mint("alice", azp="https://evil.example"),
        issuer.mint("alice", claims={"sub": 5, "aud": {}, "o": "x", "fva": "y"}),
        issuer.mint("alice", claims={"sts": "pending"}),
        issuer.sign({"sub": "mch_1", "exp": NOON + 60}, {"cat": "cl_B7d4PD333AAA"}),
        issuer.sign({"sub": "user_1", "exp": NOON + 60}, {"typ": "at+jwt"}),
        issuer.sign({"sub": "user_1", "exp": NOON + 60}, {"typ": "odd"}),
        issuer.sign({"sub": "user_1", "exp": NOON + 60}, {"alg": "none"}),
        issuer.sign({"sub": "user_1", "exp": NOON + 60}, {"kid": "ins_unknown"}),
        issuer.sign({"sub": "user_1", "exp": NOON + 60}, {"kid": 5}),
        stranger.sign({"sub": "user_1", "exp": NOON + 60}, {"kid": issuer.kid}),
        f"{first}.{payload}.{signature}==",
        f"{first}.{payload[:-1]}.{signature}",
        f"{first}.e30x.{signature}",
        f"{first}.{signature}.{signature}",
        f"{payload}.{first}.{signature}",
        f"{first}.{payload}.{signature}.{signature}.{signature}",
        f"{signature}.{signature}.{signature}",
        f"{first}.{payload}.{signature * 90}",
    ]


def application(auth, compat) -> FastAPI:
    app = FastAPI()

    @app.get("/required")
    async def required(who: Annotated[Principal, Depends(auth.required)]) -> str:
        return repr(who)

    @app.get("/optional")
    async def optional(who: Annotated[Principal | None, Depends(auth.optional)]) -> str:
        return repr(who)

    @app.get("/admin", dependencies=[Depends(auth.requires(role="org:admin"))])
    async def admin() -> str:
        return "yes"

    @app.get("/compat", dependencies=[Depends(compat)])
    async def old() -> str:
        return "yes"

    @app.post("/hook", dependencies=[Depends(ClerkWebhook(WEBHOOK_SECRET))])
    async def hook() -> str:
        return "yes"

    @app.websocket("/socket")
    async def socket(ws: WebSocket, who: Annotated[Principal, Depends(auth.websocket)]) -> None:
        await ws.accept()
        await ws.send_text(repr(who))

    @strawberry.type
    class Query:
        @strawberry.field(permission_classes=[SignedIn])
        def hello(self) -> str:
            return "you"

    app.include_router(
        GraphQLRouter(strawberry.Schema(Query), context_getter=context(auth)), prefix="/graphql"
    )
    return app


def drive(client, guarded, written, token) -> None:
    """Send one credential to every door, in a header, a cookie and a subprotocol."""
    header = {"Authorization": f"Bearer {token}"}
    cookie = {"Cookie": f"__session={token}; __client_uat={int(NOON)}"}
    for path, headers in product(("/required", "/optional", "/admin", "/compat"), (header, cookie)):
        answer = client.get(path, headers=headers)
        written.add(answer.text, dict(answer.headers))
    answer = client.post("/graphql", json={"query": "{ hello }"}, headers=header)
    written.add(answer.text, dict(answer.headers), guarded.get("/", headers=header).text)
    protocols = {"Sec-WebSocket-Protocol": f"doorward.bearer, {token}"}
    for door, headers in product((client, guarded), (header, cookie, protocols)):
        try:
            with door.websocket_connect("/socket", headers=headers) as socket:
                written.add(socket.receive_text())
        except Exception as exc:  # noqa: BLE001 - whatever is raised is searched
            written.failed(exc)


def show_toolkit(written) -> None:
    """Show every object of the toolkit that is alive."""
    for found in gc.get_objects():
        if str(type(found).__module__).startswith(TOOLKIT):
            written.add(found)


def test_the_search_finds_eight_characters_and_not_seven():
    written = Written()
    written.add("…gnature and more: 12345678")

    assert written.of(["signature"]) == set()
    assert written.of(["x12345678"]) == {"12345678"}


def test_no_guard_shows_a_credential(issuer, stranger, clerk, written):
    keys = {"secret_key": SECRET_KEY, "machine_secret_key": MACHINE_KEY, "api_url": clerk.api_url}
    auth = ClerkAuth(**keys, accepts=EVERY_KIND, authorized_parties=[PARTY], now=Clock())
    compat = ClerkHTTPBearer(ClerkConfig(jwks_url=clerk.url))
    sent = [*tokens(issuer, stranger), *OPAQUE]
    app = application(auth, compat)
    guarded = TestClient(ClerkMiddleware(app, auth))

    async def verify(token):
        asyncio.get_running_loop().set_debug(True)
        written.add(await auth.verify(token))

    with TestClient(app) as client:
        for status, token in product(STATUSES, sent):
            clerk.status = status
            drive(client, guarded, written, token)
            try:
                asyncio.run(verify(token))
            except Exception as exc:  # noqa: BLE001 - whatever is raised is searched
                written.failed(exc)
        show_toolkit(written)

    written.add(auth, compat, vars(auth))
    secrets = [token.rpartition(".")[2] for token in sent]
    assert "user_alice" in written.text.getvalue()
    assert written.of([*secrets, SECRET_KEY.removeprefix("sk_test_"), MACHINE_KEY]) == set()


@pytest.mark.parametrize("status", STATUSES)
def test_no_verification_shows_a_credential(issuer, stranger, clerk, written, status):
    clerk.status = status
    sent = [*tokens(issuer, stranger), *OPAQUE]
    for token in sent:
        for options in (
            {"jwt_key": issuer.public_key_pem},
            {"jwks_url": f"{clerk.url}?{status}"},
        ):
            try:
                written.add(doorward.verify_token(token, **options))
            except doorward.TokenVerificationError as exc:
                written.failed(exc)
        with suppress(doorward.TokenVerificationError):
            written.add(parse(token), vars(type(parse(token))))
        written.add(session_cookies({"__session": token, "__client_uat": "1"}, None, NOON))
    show_toolkit(written)

    assert written.of([token.rpartition(".")[2] for token in sent]) == set()


def test_no_mistake_of_the_settings_shows_a_secret(written):
    secrets = [SECRET_KEY, MACHINE_KEY, WEBHOOK_SECRET]
    for value in [f"x{secret}" for secret in secrets] + secrets:
        for option in ("secret_key", "jwt_key", "jwks_url", "publishable_key", "api_url"):
            written.add(ClerkOptions(**{option: value} if option.endswith("_key") else {}))
            try:
                ClerkAuth(**{"secret_key": SECRET_KEY, option: value})
            except ConfigurationError as exc:
                written.failed(exc)
        try:
            ClerkWebhook(value[:12])
        except ConfigurationError as exc:
            written.failed(exc)

    pieces = [secret.removeprefix("sk_test_").removeprefix("whsec_") for secret in secrets]
    assert written.of(pieces) == set()


def test_no_webhook_shows_its_secret_or_signature(written):
    signature = "Qw8Er5Ty2Ui9Op6As3Df7Gh4Jk1Lz0Xc5Vb8Nm2Qa9E="
    verifier = ClerkWebhook(WEBHOOK_SECRET)
    for signed, timestamp in product((f"v1,{signature}", signature, ""), (f"{NOON:.0f}", "1", "x")):
        headers = {"svix-id": "msg_1", "svix-timestamp": timestamp, "svix-signature": signed}
        try:
            webhooks.verify(b"{}", headers, WEBHOOK_SECRET, now=lambda: NOON)
        except webhooks.WebhookVerificationError as exc:
            written.failed(exc)
    written.add(verifier, vars(verifier))
    show_toolkit(written)

    assert written.of([signature, WEBHOOK_SECRET.removeprefix("whsec_")]) == set()
