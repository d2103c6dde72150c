"""A browser and a client of nobody's making, step by step, against a house in this process."""

import html
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

ORIGIN = "http://127.0.0.1:8040"
CALLBACK = "http://127.0.0.1:5173/callback"
VERIFIER = "v" * 50


def challenge(verifier: str = VERIFIER) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Application:
    """A client that registered itself."""

    house: object
    client_id: str
    secret: str | None = None
    redirect_uri: str = CALLBACK

    @classmethod
    def registered(cls, house, **metadata) -> "Application":
        said = {
            "client_name": "Summariser",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        } | metadata
        answer = house.client.post("/oauth/register", json=said)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return cls(house, body["client_id"], body.get("client_secret"), said["redirect_uris"][0])

    def query(self, **more: object) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "files:read workspaces:read",
            "state": "xyz",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        } | more
        return urlencode({name: value for name, value in asked.items() if value is not None})

    def asked(self, person, query: str | None = None, *, token=None, origin=ORIGIN):
        """The page that the person sees."""
        form = {
            "token": person.token(azp=ORIGIN) if token is None else token,
            "request": self.query() if query is None else query,
        }
        headers = {} if origin is None else {"Origin": origin}
        return self.house.client.post("/oauth/consent", data=form, headers=headers)

    def decided(self, page, *, origin=ORIGIN, **form: object):
        """What comes of the form on the page."""
        sent = form_of(page.text) | {"decision": "allow"} | form
        headers = {} if origin is None else {"Origin": origin}
        return self.house.client.post(
            "/oauth/decision", data=sent, headers=headers, follow_redirects=False
        )

    def code(self, person, **asked: object) -> str:
        page = self.asked(person, self.query(**asked))
        assert page.status_code == 200, page.text
        answer = self.decided(page)
        assert answer.status_code == 303, answer.text
        return returned(answer)["code"]

    def take_up(self, code: str, **more: object):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return self.token(form | more)

    def refresh(self, token: str, **more: object):
        return self.token({"grant_type": "refresh_token", "refresh_token": token} | more)

    def token(self, form: dict, path: str = "token"):
        form = {"client_id": self.client_id} | form
        form = {name: value for name, value in form.items() if value is not None}
        auth = (self.client_id, self.secret) if self.secret else None
        return self.house.client.post(f"/oauth/{path}", data=form, auth=auth)

    def allowed(self, person, **asked: object) -> dict:
        """The tokens of a person who allowed what was asked."""
        answer = self.take_up(self.code(person, **asked))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call(self, access_token: str, method: str, path: str, **request: object):
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.house.client.request(method, f"/api/v1/{path}", headers=headers, **request)


def form_of(page: str) -> dict:
    """What a browser would send of the page's form, as it stands."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        found = {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
        if found["type"] == "hidden" or tag.rstrip(">").rstrip().endswith("checked"):
            fields.setdefault(found["name"], []).append(found.get("value", "on"))
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}


def returned(answer) -> dict:
    """What the client learns from where the browser is sent."""
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: value for name, (value,) in query.items()}
