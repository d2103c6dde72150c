"""Whoever holds a little never gets more out of it: attacks that come to nothing."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from doorward.server.audit.model import AuditFilter
from doorward.server.paging import Page
from support import problem


@pytest.fixture
def alice(house):
    return house.person("alice", org="acme", role="org:admin")


@pytest.fixture
def office(alice):
    return alice.office()


# Uploads that others began


def test_a_key_that_may_only_read_gets_no_url_that_writes(alice, office):
    upload = alice.declare(office, "later.txt", 3).json()

    seen = alice.key("files:read").get(f"uploads/{upload['id']}").json()

    assert (seen["status"], seen["url"]) == ("pending", None)


def test_a_key_gets_no_url_that_outlives_it(alice, office):
    """It would act for the person's session, and not end with the key."""
    upload = alice.declare(office, "later.txt", 3).json()
    agent = alice.key("files:read", "files:write")

    assert agent.get(f"uploads/{upload['id']}").json()["url"] is None
    assert problem(agent.post(f"uploads/{upload['id']}/renew")) == (403, "permission_denied")


def test_an_agent_gets_no_url_of_the_person_it_acts_for(house, alice, office):
    bob = house.person("bob", org="acme", role="org:member")
    upload = alice.declare(office, "later.txt", 3).json()
    acting = alice.lend(bob.key("files:read", "files:write"))

    assert acting.get(f"uploads/{upload['id']}").json()["url"] is None
    assert acting.post(f"uploads/{upload['id']}/renew").status_code == 403


def test_whoever_made_a_key_and_the_agent_anew_get_the_urls_of_its_uploads(house, alice, office):
    bob = house.person("bob", org="acme", role="org:member")
    agent = bob.key("files:read", "files:write")
    own = agent.declare(office, "a.txt", 3).json()["id"]
    lent = alice.lend(agent).declare(office, "b.txt", 3).json()["id"]

    assert agent.post(f"uploads/{own}/renew").status_code == 200
    assert bob.post(f"uploads/{own}/renew").status_code == 200
    assert alice.lend(agent).post(f"uploads/{lent}/renew").status_code == 200
    assert agent.post(f"uploads/{lent}/renew").status_code == 403


# Tokens that were revoked


def test_what_a_revoked_token_bought_stays_dead_after_the_tokens_own_time(house, alice, office):
    bob = house.person("bob", org="acme", role="org:member")
    acting = alice.lend(bob.key("files:read", "files:write"))
    file = acting.upload(office, "a.txt", b"abc")
    link = acting.post(f"files/{file['id']}/link", expires_in=86_400).json()["url"]
    assert house.client.get(link).status_code == 200

    alice.post("token/revoke", token=acting.secret)
    assert house.client.get(link).status_code == 410
    house.clock.advance(seconds=3600)

    assert house.client.get(link).status_code == 410


def test_what_an_expired_token_bought_can_be_ended_by_it_still(house, alice, office):
    bob = house.person("bob", org="acme", role="org:member")
    acting = alice.lend(bob.key("files:read", "files:write"))
    file = acting.upload(office, "a.txt", b"abc")
    link = acting.post(f"files/{file['id']}/link", expires_in=86_400).json()["url"]
    house.clock.advance(seconds=3600)
    assert acting.get("me").status_code == 401
    assert house.client.get(link).status_code == 200

    assert alice.post("token/revoke", token=acting.secret).status_code == 200

    assert house.client.get(link).status_code == 410


def test_a_secret_that_is_rotated_out_lives_on_by_no_new_one(house, alice):
    """Whoever stole it has the overlap, and not the key from then on."""
    stolen = alice.key("files:read", "keys:manage")
    house.clock.advance(seconds=1)
    new = alice.post(f"keys/{stolen.id}/rotate", overlap=3600).json()["secret"]

    assert stolen.get("me").status_code == 200
    assert problem(stolen.post(f"keys/{stolen.id}/rotate")) == (403, "permission_denied")
    kept = type(stolen)(house, "alice", {}, stolen.id, new)
    assert kept.post(f"keys/{stolen.id}/rotate").status_code == 200


def test_whoever_impersonates_a_person_makes_no_key_that_stays(house, alice):
    kept = alice.key("files:read")
    support = alice.token(claims={"act": {"sub": "user_support"}})
    bearer = {"Authorization": f"Bearer {support}"}

    made = house.client.post(
        "/api/v1/keys", json={"name": "k", "scopes": ["files:read"]}, headers=bearer
    )
    rotated = house.client.post(f"/api/v1/keys/{kept.id}/rotate", headers=bearer)

    assert house.client.get("/api/v1/me", headers=bearer).status_code == 200
    assert problem(made) == problem(rotated) == (403, "reverification_needed")


@pytest.mark.parametrize(
    "by", ["nobody", "an empty key", "Clerk's public key", "the server's own secret"]
)
def test_a_token_that_another_made_is_nobodys(house, alice, by):
    """Those of ours are signed by a key that both sides know, those of Clerk by one of a pair."""
    good = alice.lend(house.person("bob").key("files:read"))
    head, body, _ = good.secret.split(".")
    key = {
        "nobody": None,
        "an empty key": b"",
        "Clerk's public key": house.standin.public_key_pem.encode(),
        "the server's own secret": (house.data / "secret").read_bytes(),
    }[by]
    signed = b"" if key is None else hmac.digest(key, f"{head}.{body}".encode(), "sha256")
    forged = f"{head}.{body}.{urlsafe_b64encode(signed).decode().rstrip('=')}"

    answer = house.client.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"})

    assert good.get("me").status_code == 200
    assert problem(answer) == (401, "not_authenticated")


# Lists


@pytest.mark.parametrize("path", ["workspaces", "keys", "links"])
def test_a_bound_key_turns_pages_past_what_it_does_not_see(alice, office, path):
    """A cursor names the last row of a page: it must be one that was shown."""
    file = alice.upload(office, "a.txt", b"abc")["id"]
    hidden = set()
    for number in range(4):
        room = alice.post("workspaces", name=f"Room {number}").json()["id"]
        elsewhere = alice.upload(room, "a.txt", b"abc")["id"]
        link = alice.post(f"files/{elsewhere}/link").json()["id"]
        hidden |= {room, link, alice.key("files:read").id}
    bound = alice.key("files:read", "workspaces:read", "keys:read", workspaces=[office])
    shown = {office, bound.id, alice.post(f"files/{file}/link").json()["id"]}

    rows, cursors = turn_pages(bound, path)

    assert set(rows) & shown
    assert not set(rows) & hidden
    assert not [cursor for cursor in cursors if any(one in cursor for one in hidden)]


def test_an_agent_turns_pages_past_what_it_does_not_see(house, alice, office):
    bob = house.person("bob", org="acme", role="org:member")
    rooms = [alice.post("workspaces", name=f"Room {n}").json()["id"] for n in range(4)]
    acting = alice.lend(bob.key("workspaces:read"))

    rows, cursors = turn_pages(acting, "workspaces")

    assert rows == [office]
    assert not [cursor for cursor in cursors if any(room in cursor for room in rooms)]


def turn_pages(person, path):
    """Every row of a list, one to a page, and what its cursors say."""
    rows, cursors, cursor = [], [], None
    for _ in range(20):
        page = person.get(path, params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        rows += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows, cursors
        cursors.append(urlsafe_b64decode(cursor + "==").decode())
    raise AssertionError(rows)


def test_a_list_without_its_scope_is_refused_also_where_it_would_be_empty(alice):
    answer = alice.key("events:read").get("links")

    assert (answer.status_code, answer.json()["missing"]) == (403, "scope files:read")


# Members


def test_nobody_lets_themselves_in_by_acting_for_another(house, alice, office):
    """The role that they hold by the organization would outlive it."""
    bob = house.person("bob", org="acme", role="org:admin")
    acting = alice.lend(bob.key("members:manage"))

    answer = acting.post(f"workspaces/{office}/members", user_id="user_bob", role="admin")

    assert problem(answer) == (409, "member_exists")


# The trail


def test_a_key_replays_no_request_of_the_person_who_made_it(alice, office):
    sent = alice.get(f"workspaces/{office}/files").headers["x-request-id"]
    elsewhere = alice.post("workspaces", name="Room").json()["id"]
    bound = alice.key("files:read", workspaces=[elsewhere])

    assert problem(bound.get(f"requests/{sent}/decisions")) == (404, "decision_not_found")
    own = bound.get(f"workspaces/{elsewhere}/files").headers["x-request-id"]
    assert bound.get(f"requests/{own}/decisions").status_code == 200
    assert alice.get(f"requests/{own}/decisions").status_code == 200


def test_what_changed_nothing_is_in_the_trail_too(alice, office):
    file = alice.upload(office, "a.txt", b"abc")["id"]
    alice.post(f"workspaces/{office}/folders", name="f")

    same = alice.patch(f"files/{file}", name="a.txt")
    there = alice.post(f"workspaces/{office}/folders", name="f", exist_ok=True)

    trail = alice.get("audit", params={"workspace": office}).json()["data"]
    entered = {row["request_id"] for row in trail}
    assert {same.headers["x-request-id"], there.headers["x-request-id"]} <= entered


# What is sent by mistake


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_secret_that_is_sent_as_the_id_is_written_down_nowhere(house, alice, caplog, method):
    caplog.set_level("DEBUG")
    secret = alice.key("files:read").secret

    answer = alice.call(method, f"keys/{secret}")
    unknown = house.client.request(method, f"/api/v1/keys/{secret}")

    assert problem(answer) == (404, "key_not_found")
    assert unknown.status_code == 401
    said = [r.getMessage() for r in caplog.records if r.name.startswith("doorward")]
    written = b"".join(path.read_bytes() for path in house.data.glob("doorward.db*"))
    assert secret[12:40] not in "".join(said)
    assert secret[12:40].encode() not in written


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 100_000, "application/json"),
        (b'{"a":' * 100_000, "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
        (b'{"token": "\\ud800"}', "application/json"),
        (b"a=1&" * 100, "application/x-www-form-urlencoded"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
    ],
)
@pytest.mark.parametrize("path", ["token", "token/revoke"])
def test_an_odd_exchange_is_refused_and_breaks_nothing(alice, path, content, kind):
    answer = alice.call("POST", path, content=content, headers={"Content-Type": kind})

    assert answer.status_code in {200, 400, 413, 415, 422}, answer.text


def test_an_exchange_says_each_thing_once(alice):
    """What is there twice is read in two ways by two readers (RFC 6749, section 3.2)."""
    agent = alice.key("files:read", "files:write")
    form = (
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
        f"&subject_token={alice.token()}&scope=files:read&scope=files:write"
        "&subject_token_type=urn:ietf:params:oauth:token-type:jwt"
    )

    answer = agent.call(
        "POST",
        "token",
        content=form,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert problem(answer) == (400, "exchange_refused")
    assert answer.json()["error"] == "invalid_request"


def test_the_trail_names_the_key_whose_maker_left(house):
    bob = house.person("bob", org="acme", role="org:member")
    agent = bob.key("files:read")
    house.standin.remove_member("bob", "acme")
    assert agent.get("me").status_code == 401

    async def entries():
        where = AuditFilter(credential_id=agent.id, action="door:enter")
        return await house.store().read(lambda tx: tx.audit.page(where, Page()))

    (entry, *_) = house.client.portal.call(entries)

    assert (entry.outcome, entry.reason) == ("denied", "revoked")
