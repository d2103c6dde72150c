import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from doorward.clerk.jwks import PemKey
from doorward.clerk.publishable import PublishableKey
from doorward.clerk.rules import Rules
from doorward.clerk.verifier import Verifier
from doorward.standin import DEFAULT_PARTY, Standin
from doorward.standin.app import create_app
from support import NOON

HERE = "http://127.0.0.1:8041"
PAGE = "http://127.0.0.1:3000/notes?a=b"


@pytest.fixture
def standin(tmp_path):
    return Standin.open(tmp_path, clock=lambda: NOON)


@pytest.fixture
def browser(standin):
    app = create_app(standin)
    with TestClient(app, HERE, follow_redirects=False, client=("127.0.0.1", 50000)) as client:
        yield client


def submit(browser, path="/sign-in", headers=None, **fields):
    """Send a form as a browser sends one of the page's own."""
    own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    return browser.post(path, data=fields, headers=own | (headers or {}))


def suffixed(standin, name):
    return f"{name}_{PublishableKey.parse(standin.publishable_key).cookie_suffix}"


class Forms(HTMLParser):
    """The forms of a page, as a browser would send them."""

    def __init__(self, html):
        super().__init__()
        self.forms, self.scripts = [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.scripts += tag == "script" or any(name.startswith("on") for name in attributes)
        if tag == "form":
            self.forms.append((attributes, {}))
        elif tag == "input":
            self.forms[-1][1][attributes["name"]] = attributes.get("value")


def test_a_new_name_signs_in_and_is_sent_back_to_the_page(browser, standin):
    answer = submit(browser, user="alice", org="acme", role="org:admin", redirect_url=PAGE)

    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    token = browser.cookies["__session"]
    claims = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: NOON).verify_sync(token)
    assert claims.user_id == "user_alice"
    assert (claims.organization.id, claims.organization.role) == ("org_acme", "org:admin")
    assert claims["azp"] == "http://127.0.0.1:3000"


def test_without_a_page_to_go_back_to_the_token_is_for_the_house(browser, standin):
    answer = submit(browser, user="alice")

    assert answer.headers["location"] == "sign-in"
    verifier = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: NOON)
    assert verifier.verify_sync(browser.cookies["__session"])["azp"] == DEFAULT_PARTY


def test_the_cookies_are_clerks_with_and_without_a_suffix(browser, standin):
    lines = submit(browser, user="alice").headers.get_list("set-cookie")

    set_ = {line.partition("=")[0]: line for line in lines}
    for name in ("__session", "__client_uat", "__clerk_db_jwt"):
        assert {name, suffixed(standin, name)} <= set_.keys()
    assert browser.cookies["__client_uat"] == str(int(NOON))
    assert all("Path=/; SameSite=Lax" in line for line in lines)
    secret = [line for name, line in set_.items() if "uat" not in name]
    assert all(line.endswith("HttpOnly") for line in secret)


def test_those_who_are_known_are_listed_and_sign_in_with_one_press(browser, standin):
    standin.sign_in("alice", org="acme", role="org:admin")

    page = Forms(browser.get("/sign-in", params={"redirect_url": PAGE}).text)
    (_, alone), (_, at_acme), (_, somebody_new) = page.forms
    assert alone == {"redirect_url": PAGE, "user": "user_alice"}
    assert at_acme == alone | {"org": "org_acme", "role": "org:admin"}
    assert somebody_new.keys() == {"redirect_url", "user", "org", "role"}
    submit(browser, **at_acme)

    claims = Verifier(PemKey(standin.public_key_pem), Rules(), lambda: NOON)
    token = claims.verify_sync(browser.cookies["__session"])
    assert token.organization.role == "org:admin"


def test_the_page_needs_no_script_and_allows_none(browser, standin):
    standin.sign_in("alice")
    answer = browser.get("/sign-in", params={"redirect_url": PAGE})

    assert Forms(answer.text).scripts == 0
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    # Browsers hold the redirect after a form against this, too.
    assert "form-action 'self' http://127.0.0.1:3000;" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    # With no-referrer a form's Origin would be null, and the form refused.
    assert answer.headers["referrer-policy"] == "same-origin"


def test_every_field_has_a_label(browser):
    html = browser.get("/sign-in").text

    fields = re.findall(r"<input (?!type=\"hidden\")", html)
    assert len(fields) == len(re.findall(r"<label>[^<]+<input ", html)) == 3
    assert 'lang="en"' in html
    assert "<title>Sign in" in html


def test_nothing_that_somebody_is_called_becomes_markup(browser, standin):
    standin.create_user(
        first_name="<script>alert(1)</script>", last_name="\"'&", email_address=["x@example.com"]
    )
    user = standin.create_user(username="<b>")
    address = 'http://127.0.0.1:3000/"><script>alert(2)</script>'
    submit(browser, user=user["id"])

    html = browser.get("/sign-in", params={"redirect_url": address}).text
    out = browser.get("/sign-out", params={"redirect_url": address}).text

    assert Forms(html).scripts == Forms(out).scripts == 0
    assert "<b>" not in html + out
    assert "&lt;b&gt;" in out
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""]
)
def test_nobody_is_sent_to_another_machine(browser, address):
    shown = browser.get("/sign-in", params={"redirect_url": address})
    sent = submit(browser, user="alice", redirect_url=address)
    out = submit(browser, "/sign-out", redirect_url=address)

    assert "evil.example" not in shown.headers["content-security-policy"]
    for answer in (sent, out):
        assert answer.status_code == 303
        assert answer.headers["location"] in {"sign-in", f"{HERE}/javascript:alert(1)"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_page_signs_nobody_in_or_out(browser, standin, path, headers):
    submit(browser, user="alice")
    before = dict(browser.cookies)

    answer = submit(browser, path, headers, user="mallory")

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert dict(browser.cookies) == before
    assert standin.session(before[suffixed(standin, "__client")].split(".")[0]).status == "active"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_another_machine_sees_no_page(standin, path):
    away = TestClient(create_app(standin), HERE, client=("192.0.2.1", 1))

    assert away.get(path).status_code == 403


def test_signing_out_ends_the_session_and_the_cookies_say_so(browser, standin):
    submit(browser, user="alice")
    session_id = browser.cookies[suffixed(standin, "__client")].partition(".")[0]
    assert "alice@example.com" in browser.get("/sign-out").text

    answer = submit(browser, "/sign-out", redirect_url=PAGE)

    assert answer.headers["location"] == PAGE
    assert standin.session(session_id).status == "ended"
    assert browser.cookies["__client_uat"] == browser.cookies[suffixed(standin, "__client_uat")]
    assert browser.cookies["__client_uat"] == "0"
    assert "__session" not in browser.cookies
    assert "Nobody is signed in" in browser.get("/sign-out").text


def test_whoever_signs_in_takes_the_place_of_whoever_was(browser, standin):
    submit(browser, user="alice")
    first = browser.cookies[suffixed(standin, "__client")].partition(".")[0]

    submit(browser, user="bob")

    assert standin.session(first).status == "ended"
    assert "bob@example.com" in browser.get("/sign-in").text.partition("Somebody known")[0]


def test_a_cookie_that_somebody_made_up_is_nobodys(browser, standin):
    session = standin.sign_in("alice")
    for made_up in (f"{session.id}.", f"{session.id}.{'0' * 64}", session.id, ".", "%C3%A9.%C3"):
        cookie = f"{suffixed(standin, '__client')}={made_up}"
        assert "Nobody is signed in" in browser.get("/sign-out", headers={"Cookie": cookie}).text


def test_a_banned_user_is_told_so_on_the_page(browser, standin):
    standin.sign_in("alice")
    standin.ban("alice")

    answer = submit(browser, user="alice", redirect_url=PAGE)

    assert answer.status_code == 403
    assert 'role="alert">This user is banned.' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user": ""},
        {"user": "a b"},
        {"user": "<script>"},
        {"user": "a" * 65},
        {"user": "alice", "org": "a/b"},
        {"user": "alice", "org": "acme", "role": "a role"},
    ],
)
def test_what_is_no_name_is_refused_and_nobody_is_made(browser, fields):
    answer = submit(browser, **fields)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "Somebody known" not in browser.get("/sign-in").text


@pytest.mark.parametrize("body", [b"\xff", b"&".join([b"a=b"] * 99), b"\0", b"user"])
def test_a_body_that_is_no_form_is_refused(browser, body):
    answer = browser.post("/sign-in", content=body)

    assert answer.status_code in {400, 422}


def test_the_page_is_shown_under_the_name_that_shares_its_cookies(browser):
    address = "http://localhost:3000/notes"

    answer = browser.get("/sign-in", params={"redirect_url": address})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("http://localhost:8041/sign-in?redirect_url=")
    there = browser.get(answer.headers["location"])
    assert there.status_code == 200
    assert Forms(there.text).forms[-1][1]["redirect_url"] == address


def test_below_a_path_everything_leads_on_below_it(standin):
    app = create_app(standin, "/standin")
    client = TestClient(app, HERE, follow_redirects=False, client=("127.0.0.1", 1))

    address = {"redirect_url": "http://localhost:3000/"}
    elsewhere = client.get("/standin/sign-in", params=address)

    assert elsewhere.headers["location"].startswith("http://localhost:8041/standin/sign-in?")
    assert {form["action"] for form, _ in Forms(client.get("/standin/sign-in").text).forms} == {
        "sign-in"  # which is /standin/sign-in to a browser that is there
    }


def test_a_house_shows_the_page_of_its_own_stand_in(house):
    here = TestClient(
        house.client.app, "http://127.0.0.1:8040", client=("127.0.0.1", 1), follow_redirects=False
    )

    sent = here.post(
        "/standin/sign-in",
        data={"user": "alice", "redirect_url": "/"},
        headers={"Origin": "http://127.0.0.1:8040"},
    )

    assert sent.headers["location"] == "http://127.0.0.1:8040/"
    assert "alice@example.com" in here.get("/standin/sign-in").text
    assert house.standin.user("alice")["last_sign_in_at"] == NOON * 1000
