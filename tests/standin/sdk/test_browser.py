"""A browser signs in with the stand-in and uses a guarded application, all over real sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import httpx2
import pytest
import uvicorn
from fastapi import Depends, FastAPI

from doorward.fastapi import ClerkAuth, Principal
from standin.sdk.processes import NodeProcess

PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
HANDSHAKES_MAX = 8


@contextmanager
def served(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serve an application on a listening socket until the test is through."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def origin(dev) -> Iterator[str]:
    """An application of a developer's own, guarded by ClerkAuth, which takes cookies."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environ = dev.environment()
    clerk = ClerkAuth(
        secret_key=environ["CLERK_SECRET_KEY"],
        publishable_key=environ["CLERK_PUBLISHABLE_KEY"],
        api_url=environ["CLERK_API_URL"],
        authorized_parties=[origin],
    )
    app = FastAPI()

    @app.get("/me")
    async def me(who: Annotated[Principal, Depends(clerk.required)]) -> dict:
        return {"user": who.user_id, "org": who.org_id, "admin": who.has(role="org:admin")}

    @app.post("/notes")
    async def notes(who: Annotated[Principal, Depends(clerk.required)]) -> dict:
        return {"user": who.user_id}

    with served(app, listener):
        yield origin


@pytest.fixture
def browser() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as client:
        yield client


def sign_in(browser, dev, back, **who):
    headers = {"Origin": dev.url, "Sec-Fetch-Site": "same-origin"}
    return browser.post(f"{dev.url}/sign-in", data={"redirect_url": back} | who, headers=headers)


def test_an_application_guarded_by_clerk_auth_takes_the_browsers_cookies(browser, dev, origin):
    assert browser.get(f"{origin}/me").status_code == 401
    page = browser.get(f"{dev.url}/sign-in", params={"redirect_url": f"{origin}/me"})
    assert page.status_code == 200

    sent = sign_in(browser, dev, f"{origin}/me", user="alice", org="acme", role="org:admin")

    assert sent.headers["location"] == f"{origin}/me"
    assert browser.get(sent.headers["location"]).json() == {
        "user": "user_alice",
        "org": "org_acme",
        "admin": True,
    }
    assert browser.post(f"{origin}/notes", headers={"Origin": origin}).status_code == 200


def test_the_cookies_do_not_open_it_to_another_sites_page(browser, dev, origin):
    sign_in(browser, dev, origin, user="alice")

    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post(f"{origin}/notes", headers=headers).status_code == 401


def test_after_signing_out_it_is_closed(browser, dev, origin):
    sign_in(browser, dev, origin, user="alice")
    assert browser.get(f"{origin}/me").status_code == 200

    browser.post(f"{dev.url}/sign-out", headers={"Origin": dev.url})

    assert browser.get(f"{origin}/me").status_code == 401


def test_a_token_renewed_by_the_page_opens_it_as_well(browser, dev, origin):
    sign_in(browser, dev, origin, user="alice")
    told = browser.get(f"{dev.url}/v1/client", headers={"Origin": origin}).json()["response"]
    session_id = told["last_active_session_id"]

    fresh = browser.post(
        f"{dev.url}/v1/client/sessions/{session_id}/tokens", headers={"Origin": origin}
    ).json()["jwt"]

    bearer = {"Authorization": f"Bearer {fresh}"}
    assert httpx2.get(f"{origin}/me", headers=bearer).json()["user"] == "user_alice"
    assert browser.get(f"{origin}/me").json()["user"] == "user_alice"


@contextmanager
def an_hour_ago(standin) -> Iterator[None]:
    """What the stand-in does meanwhile is an hour old for everybody else."""
    standin.set_clock_offset(-3600)
    try:
        yield
    finally:
        standin.set_clock_offset(0)


def follow(browser, address):
    """Follow redirects as a browser that opens a page does; gives the answer and the way."""
    way = []
    for _ in range(HANDSHAKES_MAX):
        answer = browser.get(address, headers=PAGE)
        way.append(answer)
        if answer.status_code != 307:
            return answer, way
        address = answer.headers["location"]
    raise AssertionError([one.headers.get("location") for one in way])


@pytest.fixture(scope="module", params=["express.mjs", "fastify.mjs"])
def theirs(request, dev) -> Iterator[str]:
    """The same with Clerk's own middleware in Node."""
    request.getfixturevalue("node")
    with NodeProcess(request.param, dev.environment()) as process:
        yield f"http://127.0.0.1:{process.read()['port']}"


def test_clerks_own_middleware_takes_the_browsers_cookies(browser, dev, theirs):
    sent = sign_in(browser, dev, f"{theirs}/me", user="alice", org="acme", role="org:admin")

    answer = browser.get(sent.headers["location"], headers=PAGE)

    assert answer.status_code == 200
    assert (answer.json()["userId"], answer.json()["azp"]) == ("user_alice", theirs)
    assert browser.get(f"{theirs}/admin", headers=PAGE).status_code == 200


def test_clerks_own_middleware_renews_cookies_over_the_stand_in(browser, dev, theirs):
    sign_in(browser, dev, theirs, user="alice")
    # As a minute later: the token is gone, and what says that somebody is signed in is not.
    for cookie in [one for one in browser.cookies.jar if one.name.startswith("__session")]:
        browser.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)

    answer, way = follow(browser, f"{theirs}/me?a=b")

    assert answer.status_code == 200
    assert answer.json()["userId"] == "user_alice"
    assert str(answer.url) == f"{theirs}/me?a=b"
    assert len(way) == 4
    assert way[1].url.path == "/v1/client/handshake"


def test_clerks_own_middleware_renews_an_expired_token_at_once(browser, dev, theirs):
    with an_hour_ago(dev.standin):
        sign_in(browser, dev, theirs, user="alice")
    expired = {one.value for one in browser.cookies.jar if one.name.startswith("__session")}

    answer = browser.get(f"{theirs}/me", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.json()["userId"]) == (200, "user_alice")
    assert answer.json()["azp"] == theirs
    held = {one.value for one in browser.cookies.jar if one.name.startswith("__session")}
    assert not held & expired


def test_clerks_own_middleware_does_not_renew_a_session_that_was_revoked(browser, dev, theirs):
    with an_hour_ago(dev.standin):
        sign_in(browser, dev, theirs, user="alice")
    told = browser.get(f"{dev.url}/v1/client").json()["response"]
    dev.standin.revoke(told["last_active_session_id"])

    answer = browser.get(f"{theirs}/me", headers={"Accept": "application/json"})

    assert answer.status_code == 401


def test_clerks_own_middleware_finds_nobody_in_a_new_browser(browser, theirs):
    answer, way = follow(browser, f"{theirs}/me")

    assert answer.status_code == 401
    assert way[1].url.path == "/v1/client/handshake"
    assert browser.get(f"{theirs}/public", headers=PAGE).json() == {"userId": None}


def test_clerks_own_middleware_sees_a_sign_out(browser, dev, theirs):
    sign_in(browser, dev, theirs, user="alice")
    browser.post(f"{dev.url}/sign-out", headers={"Origin": dev.url})

    answer, _ = follow(browser, f"{theirs}/me")

    assert answer.status_code == 401
