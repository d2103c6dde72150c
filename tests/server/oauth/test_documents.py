"""Applications that describe themselves at an address: read with care, and believed in little."""

import json
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest

from certificates import certified
from doorward.server.oauth import registration
from doorward.server.outbound.sending import Bounds, Outbound
from oauth_flow import CALLBACK, Application, returned
from origins import Origin, head, page, redirect

HOST = "app.example"
LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certified(tmp_path_factory.mktemp("tls"), HOST)


async def resolve(host, port):
    assert (host, port > 0) == (HOST, True)
    return ["127.0.0.1"]


@pytest.fixture
def elsewhere(house, tls):
    """A host of the web that only this house finds, and the documents there."""
    door = next(
        door for _, door in house.client.app._app._doors._app.below if hasattr(door, "desk")
    )

    @contextmanager
    def serving(pages, allowed=LOOPBACK):
        with Origin(pages, tls=tls[0]) as origin:
            bounds = Bounds(head_seconds=1.0, idle_seconds=1.0)
            outbound = Outbound(allowed, tls=tls[1], resolve=resolve, bounds=bounds)
            door.desk, door._app = replace(door.desk, outbound=outbound), None
            yield origin, f"https://{HOST}:{origin.port}/client.json"

    return serving


def described(address: str, **more: object) -> bytes:
    said = {
        "client_id": address,
        "client_name": "Reader",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    } | more
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def document(**more: object):
    """The document at whatever address it is asked for."""

    def answer(asked):
        address = f"https://{asked.headers['host']}{asked.path}"
        return page(described(address, **more), Content_Type="application/json")(asked)

    return answer


def test_an_application_is_known_by_its_document_which_is_read_again(
    house, alice, elsewhere, clock
):
    with elsewhere({"/client.json": document()}) as (origin, client_id):
        app = Application(house, client_id, redirect_uri=CALLBACK)
        shown = app.asked(alice)
        assert "Reader" in shown.text
        assert client_id in shown.text
        tokens = app.take_up(returned(app.decided(shown))["code"]).json()
        assert app.call(tokens["access_token"], "GET", "me").status_code == 200
        assert app.refresh(tokens["refresh_token"]).status_code == 200
        assert len(origin.asked) == 1
        assert "authorization" not in origin.asked[0].headers

        origin.pages["/client.json"] = document(redirect_uris=["https://app.example/other"])
        assert app.asked(alice).status_code == 200
        clock.advance(seconds=600)
        assert "redirect_uri" in app.asked(alice).text
        assert len(origin.asked) == 2


def test_so_many_documents_wait_and_keep_nobody_from_registering(
    house, alice, elsewhere, monkeypatch
):
    monkeypatch.setattr(registration, "WAITING_MAX", 2)
    Application.registered(house)
    pages = {f"/{name}.json": document() for name in ("client", "second", "third")}
    with elsewhere(pages) as (_, first):
        second, third = (first.replace("client", name) for name in ("second", "third"))
        assert Application(house, first).asked(alice).status_code == 200
        assert Application(house, second).asked(alice).status_code == 200
        assert Application(house, third).asked(alice).status_code == 429
        assert Application(house, first, redirect_uri=CALLBACK).allowed(alice)
        assert Application(house, third).asked(alice).status_code == 200
    Application.registered(house)


def test_nothing_is_fetched_for_whoever_is_not_signed_in(house, alice, elsewhere):
    with elsewhere({"/client.json": document()}) as (origin, client_id):
        app = Application(house, client_id)
        house.client.get("/oauth/authorize?" + app.query())
        assert app.asked(alice, token="nothing").status_code == 401
        assert app.asked(alice, origin="https://evil.example").status_code == 400
        assert app.take_up("x").json()["error"] == "invalid_client"
        assert origin.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        document(client_id="https://app.example/other"),
        document(client_secret="secret"),
        document(token_endpoint_auth_method="client_secret_basic"),
        document(token_endpoint_auth_method="private_key_jwt"),
        document(redirect_uris=[]),
        document(redirect_uris=None),
        document(redirect_uris=["http://evil.example/cb"]),
        document(redirect_uris=["javascript:alert(1)"]),
        document(redirect_uris=[7]),
        document(response_types=["token"]),
        document(grant_types=["implicit"]),
        document(client_name=7),
        document(client_name="x" * 20_000),
        page(b"[]", Content_Type="application/json"),
        page(b"[" * 10_000, Content_Type="application/json"),
        page(b"{", Content_Type="application/json"),
        page(b"\xff", Content_Type="application/json"),
        page(b"{}", Content_Type="text/html"),
        redirect("/other.json"),
        lambda _: [head(404, Content_Length=0)],
        lambda _: [None],
    ],
)
def test_a_document_that_is_not_as_it_should_be_makes_no_client(house, alice, elsewhere, answer):
    pages = {"/client.json": answer, "/other.json": document()}
    with elsewhere(pages) as (origin, client_id):
        shown = Application(house, client_id).asked(alice)
        assert shown.status_code == 400
        assert "<form" not in shown.text
        assert [asked.path for asked in origin.asked] == ["/client.json"]


def test_no_address_but_a_public_one_is_asked(house, alice, elsewhere):
    with elsewhere({"/client.json": document()}, allowed=[]) as (origin, client_id):
        assert Application(house, client_id).asked(alice).status_code == 400
        assert origin.asked == []


class Everywhere(dict):
    """The same page at every path."""

    def __missing__(self, path):
        return self[""]


@pytest.mark.parametrize(
    "form",
    [
        "https://app.example:{}",
        "https://app.example:{}/",
        "https://app.example:{}/a#b",
        "https://app.example:{}/a/../b",
        "https://app.example:{}/./b",
        "https://app.example:{}/b/..",
        "https://x@app.example:{}/client.json",
        "https://APP.example:{}/client.json",
        "https://app.example:0{}/client.json",
        "https://app.example:{}/client json",
        "https://app.example:{}/cl\u0131ent.json",
        "https://app.example:{}/" + "a" * 500,
        "https:///client.json:{}",
    ],
)
def test_an_id_is_plainly_an_address_or_none(house, alice, elsewhere, form):
    pages = Everywhere()
    with elsewhere(pages) as (origin, plain):
        address = form.format(origin.port)
        pages[""] = page(described(address), Content_Type="application/json")
        assert Application(house, address).asked(alice).status_code == 400
        assert origin.asked == []
        pages[""] = page(described(plain), Content_Type="application/json")
        assert Application(house, plain).asked(alice).status_code == 200
