"""OAuth clients that nobody here wrote, and a browser, against servers of their own."""

import asyncio
import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata
from requests_oauthlib import OAuth2Session

from oauth_flow import form_of
from support import ServerProcess

NODE = Path(__file__).parents[1] / "node"
CHROMIUM = shutil.which("chromium")
CALLBACK = "http://127.0.0.1:1/callback"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("oauth") / "data", "--workers", "2") as server:
        yield server


class Browser:
    """The steps of a browser without one: what its pages and their script send."""

    def __init__(self, server: ServerProcess, user: str) -> None:
        self._server = server
        self._user = user

    def allow(self, url: str) -> str:
        """Where the browser is sent once the person allowed what the page asks."""
        base = self._server.url
        with httpx2.Client(base_url=base, headers={"Origin": base}, timeout=60) as web:
            web.post("/standin/sign-in", data={"user": self._user})
            (request,) = re.findall(r'name="request" value="([^"]*)"', web.get(url).text)
            session = web.get("/standin/v1/client").json()["response"]["last_active_session_id"]
            token = web.post(f"/standin/v1/client/sessions/{session}/tokens").json()["jwt"]
            form = {"token": token, "request": html.unescape(request)}
            page = web.post("/oauth/consent", data=form)
            assert page.status_code == 200, page.text
            decision = form_of(page.text) | {"decision": "allow"}
            answer = web.post("/oauth/decision", data=decision)
            assert answer.status_code == 303, answer.text
            return answer.headers["location"]


class Chromium:
    """A real browser, which comes from a page of another site."""

    def __init__(self, user: str) -> None:
        self._user = user
        self.said = ""

    def allow(self, url: str) -> str:
        command = ["node", "oauth.mjs", CHROMIUM, url, CALLBACK, self._user, "Allow"]
        done = subprocess.run(
            command, cwd=NODE, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["errors"], told["cookies"]) == ([], [])
        self.said = told["said"]
        return told["url"]


class Kept:
    """What the SDK's client remembers; it asks for it by these names."""

    def __init__(self) -> None:
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


def sdk_client(server: ServerProcess, browser, kept: Kept) -> OAuthClientProvider:
    """The MCP SDK's own client: it finds, registers, asks, refreshes and steps up by itself."""
    landed = []

    async def redirect(url: str) -> None:
        landed.append(await asyncio.to_thread(browser.allow, url))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**dict(parse_qsl(urlsplit(landed[-1]).query)))

    metadata = OAuthClientMetadata(
        client_name="SDK",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(f"{server.url}/api/v1", metadata, kept, redirect, callback)


async def act(server: ServerProcess, browser, kept: Kept) -> None:
    auth = sdk_client(server, browser, kept)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", auth=auth, timeout=60) as web:
        (home,) = (await web.get("/workspaces")).raise_for_status().json()["data"]
        assert kept.tokens.scope == "events:read files:read search:read workspaces:read"
        first = kept.tokens
        made = await web.post(f"/workspaces/{home['id']}/folders", json={"name": "Made"})
        assert made.status_code == 201, made.text  # after stepping up by itself
        assert "files:write" in kept.tokens.scope
        assert kept.tokens.access_token != first.access_token
        auth.context.token_expiry_time = 1.0
        before = kept.tokens.refresh_token
        assert (await web.get("/me")).json()["credential"]["type"] == "oauth_token"
        assert kept.tokens.refresh_token != before


def test_the_sdks_client_registers_steps_up_and_refreshes_by_itself(server):
    asyncio.run(act(server, Browser(server, "alice"), Kept()))


@pytest.mark.skipif(CHROMIUM is None, reason="LOUD: no Chromium; the pages are not tried in one")
@pytest.mark.skipif(not (NODE / "node_modules").exists(), reason="LOUD: npm packages are missing")
def test_in_a_real_browser_a_person_signs_in_and_decides(server):
    browser = Chromium("bea")
    asyncio.run(act(server, browser, Kept()))
    assert "SDK" in browser.said
    assert "an application on this computer" in browser.said


def test_a_revoked_grant_is_refused_in_every_process_once_that_is_answered(server):
    kept = Kept()
    asyncio.run(act(server, Browser(server, "carl"), kept))
    bearer = {"Authorization": f"Bearer {kept.tokens.access_token}"}
    person = {"Authorization": f"Bearer {server.token('carl')}"}

    def ask() -> int:
        return httpx2.get(f"{server.url}/api/v1/me", headers=bearer).status_code

    assert {ask() for _ in range(20)} == {200}  # each process knows the grant by now
    grants = httpx2.get(f"{server.url}/api/v1/grants", headers=person).json()["data"]
    for grant in grants:
        url = f"{server.url}/api/v1/grants/{grant['id']}"
        assert httpx2.delete(url, headers=person).status_code == 204
    assert {ask() for _ in range(40)} == {401}


def test_oauthlib_with_a_secret_takes_up_a_code_once_and_refreshes_once(server, monkeypatch):
    monkeypatch.setitem(os.environ, "OAUTHLIB_INSECURE_TRANSPORT", "1")  # it is loopback
    said = {"client_name": "oauthlib", "redirect_uris": [CALLBACK]}
    said["grant_types"] = ["authorization_code", "refresh_token"]
    made = httpx2.post(f"{server.url}/oauth/register", json=said).json()
    token_url = f"{server.url}/oauth/token"
    with OAuth2Session(
        made["client_id"], redirect_uri=CALLBACK, scope=["files:read"], pkce="S256"
    ) as session:
        url, _ = session.authorization_url(f"{server.url}/oauth/authorize")
        landed = Browser(server, "dora").allow(url)

        tokens = session.fetch_token(
            token_url, authorization_response=landed, client_secret=made["client_secret"]
        )
        assert session.get(f"{server.url}/api/v1/me").json()["user_id"] == "user_dora"
        auth = (made["client_id"], made["client_secret"])
        session.refresh_token(token_url, auth=auth)
        assert session.get(f"{server.url}/api/v1/me").status_code == 200

        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        stolen = httpx2.post(token_url, data=form, auth=auth)
        assert stolen.json()["error"] == "invalid_grant"
        assert session.get(f"{server.url}/api/v1/me").status_code == 401
