"""Where a person is sent back to: what was named, to the letter."""

import pytest

from doorward.server.oauth.redirects import (
    RedirectInvalid,
    checked_redirect,
    redirect_matches,
    shown_place,
)

WEB = "https://app.example.com/callback"
HERE = "http://127.0.0.1:5173/callback"


@pytest.mark.parametrize(
    "uri",
    [
        WEB,
        "https://app.example.com:8443/cb?x=1",
        HERE,
        "http://localhost/callback",
        "http://[::1]:9/cb",
        "com.example.app:/oauth",
        "cursor://anysphere.cursor-retrieval/oauth/callback",
    ],
)
def test_an_address_of_the_web_of_this_machine_or_of_an_application_is_taken(uri):
    assert checked_redirect(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "http://app.example.com/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.2/callback",
        "http://2130706433/callback",
        "https://user@app.example.com/callback",
        "https://app.example.com/callback#part",
        "https://app.example.com/call back",
        "https://app.example.com\\@evil.example/",
        "https://exämple.com/cb",
        "HTTPS://app.example.com/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "unknown://host/cb",
        "https://" + "a" * 2000 + ".example/",
    ],
)
def test_what_is_anything_else_is_refused(uri):
    with pytest.raises(RedirectInvalid):
        checked_redirect(uri)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (WEB, WEB),
        (HERE, "http://127.0.0.1:49152/callback"),
        ("http://127.0.0.1/callback", HERE),
        (HERE, "http://127.0.0.1/callback"),
        ("http://[::1]:1/cb", "http://[::1]:2/cb"),
        ("http://localhost:1/cb", "http://localhost:2/cb"),
    ],
)
def test_what_was_named_matches_and_here_at_any_port(registered, asked):
    assert redirect_matches(registered, asked)


@pytest.mark.parametrize(
    "asked",
    [
        "https://app.example.com/callback/",
        "https://app.example.com/Callback",
        "https://APP.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com:8443/callback",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#x",
        "https://app.example.com/callback/../evil",
        "https://app.example.com/%63allback",
        "https://x@app.example.com/callback",
        "https://app.example.com@evil.example/callback",
        "https://sub.app.example.com/callback",
        "https://app.example.com.evil.example/callback",
        "http://app.example.com/callback",
        "https://app.example.com/callback ",
        "",
    ],
)
def test_an_address_of_the_web_matches_to_the_letter_alone(asked):
    assert not redirect_matches(WEB, asked)


@pytest.mark.parametrize(
    "asked",
    [
        "http://127.0.0.1:5173/callback/",
        "http://127.0.0.1:5173/callback?x=1",
        "http://127.0.0.1:5173/callback#x",
        "http://localhost:5173/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:70000/callback",
        "http://127.0.0.1:5173@evil.example/callback",
        "http://127.0.0.1:80:90/callback",
        "https://127.0.0.1:5173/callback",
        "http://x@127.0.0.1:5173/callback",
    ],
)
def test_here_nothing_but_the_port_may_differ(asked):
    assert not redirect_matches(HERE, asked)


def test_a_person_is_told_where_they_go():
    assert shown_place(WEB) == "app.example.com"
    assert shown_place(HERE) == "an application on this computer"
    assert "com.example.app" in shown_place("com.example.app:/oauth")
