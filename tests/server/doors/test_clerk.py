"""What Clerk tells: only what it signed, and then at once for tokens and for what they bought."""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from doorward.clerk.state import SqliteState
from doorward.server.app import create_app
from doorward.server.doors import clerk as clerk_door
from doorward.server.doors.knocks import ONE_BY_ONE_MAX
from doorward.standin import Standin
from oauth_flow import Application
from support import House, Person, ServerProcess, problem, without_request_id

PATH = "/webhooks/clerk"
ENDPOINT = "ep_doorward"
SECRET = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"
ANOTHER = "whsec_YW5vdGhlcl9zaWduaW5nX3NlY3JldF9vZl8zMl9jaGFycw=="
BIG = bytes(range(256)) * (40 << 10)  # 10 MiB: more than any buffer holds
METHODS = ("OPTIONS", "HEAD", "GET", "PATCH", "PUT", "DELETE")
TUS = {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}


@dataclass
class InSession(Person):
    """Somebody with one session at Clerk, whose tokens are refreshed as Clerk's are."""

    session: object = None

    def token(self, **more: object) -> str:
        return self.house.standin.token(self.session, **more)


def sign_in(house: House, name: str, **options: object) -> InSession:
    return InSession(house, name, {}, house.standin.sign_in(name, **options))


def signed(body: bytes, at: float, message_id: str = "msg_1", secret: str = SECRET) -> dict:
    """Signed by the standard's own library, which is not ours."""
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return {"svix-id": message_id, "svix-timestamp": str(int(at)), "svix-signature": signature}


def written(type_: str, data: dict, at: float) -> bytes:
    return json.dumps({"type": type_, "data": data, "timestamp": int(at * 1000)}).encode()


def tell(house, type_: str, data: dict, *, at: float | None = None, **more):
    """Tell the house what happened; ``at`` is when it did, which may be long before it is sent."""
    body = written(type_, data, house.clock.now if at is None else at)
    sent = house.clock.now
    return house.client.post(PATH, content=body, headers=signed(body, sent, **more))


def ended(who: InSession) -> tuple[str, dict]:
    return "session.ended", {"id": who.session.id, "user_id": who.user_id, "status": "ended"}


def banned(who: InSession) -> tuple[str, dict]:
    return "user.updated", {"id": who.user_id, "banned": True}


def locked(who: InSession) -> tuple[str, dict]:
    return "user.updated", {"id": who.user_id, "locked": True}


def deleted(who: InSession) -> tuple[str, dict]:
    return "user.deleted", {"id": who.user_id, "deleted": True}


def left(who: InSession) -> tuple[str, dict]:
    membership = {
        "id": "orgmem_1",
        "public_user_data": {"user_id": who.user_id},
        "organization": {"id": who.session.org_id},
    }
    return "organizationMembership.deleted", membership


def dissolved(who: InSession) -> tuple[str, dict]:
    return "organization.deleted", {"id": who.session.org_id, "deleted": True}


whatever_ends_it = pytest.mark.parametrize(
    "happened", [ended, banned, locked, deleted, left, dissolved], ids=lambda one: one.__name__
)


@pytest.fixture
def house(house_with, empty_folder) -> House:
    """A house whose people sign in at Clerk, whose part a stand-in beside it plays."""
    key = Standin.open(empty_folder / "standin").public_key_pem
    return house_with(CLERK_JWT_KEY=key, CLERK_WEBHOOK_SIGNING_SECRET=SECRET)


@pytest.fixture
def alice(house) -> InSession:
    return sign_in(house, "alice", org="acme", role="org:admin")


@pytest.fixture
def office(alice) -> str:
    return alice.office()


def share(person, file: dict, **options) -> dict:
    made = person.post(f"files/{file['id']}/link", **options)
    assert made.status_code == 201, made.text
    return made.json()


def trail(house) -> list[tuple]:
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        return database.execute(
            "SELECT outcome, reason, details FROM audit WHERE action = 'door:enter'"
        ).fetchall()


# What gets in


def test_a_webhook_that_another_secret_signed_changes_nothing_and_is_in_the_trail(house, alice):
    answer = tell(house, *ended(alice), secret=ANOTHER)

    assert problem(answer) == (400, "webhook_refused")
    assert [row[:2] for row in trail(house)] == [("denied", "signature-mismatch")]
    assert alice.get("me").status_code == 200


@pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_webhook_without_one_of_its_headers_is_refused(house, alice, name):
    body = written(*ended(alice), house.clock.now)
    headers = signed(body, house.clock.now)
    del headers[name]

    assert problem(house.client.post(PATH, content=body, headers=headers)) == (
        400,
        "webhook_refused",
    )
    assert alice.get("me").status_code == 200


def test_nothing_of_a_body_is_parsed_before_its_signature_is_verified(house):
    bad = b"[" * 100_000
    headers = signed(b"{}", house.clock.now)

    assert house.client.post(PATH, content=bad, headers=headers).status_code == 400
    assert trail(house)[0][1] == "signature-mismatch"


@pytest.mark.parametrize("body", [b'{"a":' * 5000 + b"1" + b"}" * 5000, b"{", b"[]", b"{}", b""])
def test_a_signed_body_that_is_no_event_is_refused(house, body):
    answer = house.client.post(PATH, content=body, headers=signed(body, house.clock.now))

    assert problem(answer) == (400, "webhook_refused")
    assert trail(house)[0][:2] == ("denied", "body-invalid")


@pytest.mark.parametrize(
    ("late", "status", "reason"),
    [
        (-301, 400, "timestamp-too-new"),
        (-300, 204, None),
        (300, 204, None),
        (301, 400, "timestamp-too-old"),
    ],
)
def test_a_webhook_counts_for_five_minutes_each_way(house, alice, late, status, reason):
    body = written(*ended(alice), house.clock.now)
    headers = signed(body, house.clock.now - late)

    assert house.client.post(PATH, content=body, headers=headers).status_code == status
    assert trail(house)[0][1] == reason


def test_a_webhook_that_comes_twice_is_taken_and_is_in_the_trail_once(house, alice):
    answers = [tell(house, *ended(alice)).status_code for _ in range(3)]

    assert answers == [204, 204, 204]
    assert trail(house) == [("allowed", None, '{"event":"session.ended"}')]


def test_an_event_of_a_type_that_nobody_here_knows_is_taken(house):
    assert tell(house, "email.created", {"id": "ema_1"}).status_code == 204


def test_a_body_larger_than_a_mebibyte_is_refused_unread(house):
    body = b" " * (1 << 20) + b"{}"

    answer = house.client.post(PATH, content=body, headers=signed(body, house.clock.now))

    assert problem(answer) == (413, "request_too_large")


def test_a_body_that_does_not_come_keeps_nothing_waiting(house, monkeypatch):
    monkeypatch.setattr(clerk_door, "BODY_SECONDS_MAX", 0.05)
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": []}
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def ask():
        async with asyncio.timeout(5):
            await house.client.app(scope, receive, send)

    house.client.portal.call(ask)

    assert sent[0]["status"] == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_any_method_but_post_is_told_so(house, method):
    answer = house.client.request(method, PATH)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_without_a_secret_the_address_is_as_unknown_as_any(house_with, empty_folder):
    key = Standin.open(empty_folder / "standin").public_key_pem
    house = house_with(CLERK_JWT_KEY=key)

    answer = tell(house, "user.deleted", {"id": "user_alice"})

    assert problem(answer) == (404, "not_found")
    assert without_request_id(answer) == without_request_id(house.client.post("/webhooks/none"))


def test_every_answer_has_the_headers_of_the_house(house, alice):
    for answer in (tell(house, *ended(alice)), house.client.post(PATH), house.client.get(PATH)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"].startswith("req_")


def test_a_flood_of_forged_webhooks_does_not_fill_the_trail(house):
    for _ in range(ONE_BY_ONE_MAX + 50):
        assert house.client.post(PATH, content=b"{}").status_code == 400

    assert len(trail(house)) < ONE_BY_ONE_MAX + 50


# What fails is told again


def test_an_event_that_can_not_be_kept_is_told_again_and_counts_then(house, alice):
    token = {"Authorization": f"Bearer {alice.token()}"}
    with closing(sqlite3.connect(house.data / "revocations.db")) as database:
        database.execute("DROP TABLE records")

    assert problem(tell(house, *ended(alice))) == (503, "busy")
    SqliteState(house.data / "revocations.db")
    assert tell(house, *ended(alice)).status_code == 204

    assert problem(house.client.get("/api/v1/me", headers=token)) == (401, "not_authenticated")


def test_an_event_that_the_trail_refused_is_new_when_it_is_told_again(house, alice):
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        database.execute("ALTER TABLE audit RENAME TO away")
        assert problem(tell(house, *ended(alice))) == (502, "storage_failed")
        database.execute("ALTER TABLE away RENAME TO audit")

    assert tell(house, *ended(alice)).status_code == 204
    assert [row[0] for row in trail(house)] == ["allowed"]


def test_an_event_that_a_process_remembered_and_died_is_applied_when_it_is_told_again(house, alice):
    state = SqliteState(house.data / "revocations.db", house.clock)
    asyncio.run(state.add("webhook:msg_1", house.clock.now + 3600))

    assert tell(house, *ended(alice)).status_code == 204

    assert problem(alice.get("me")) == (401, "not_authenticated")


def test_while_nobody_can_say_what_is_revoked_nobody_is_let_in(house, alice, office):
    declared = alice.declare(office, "a.txt", 1).json()
    with closing(sqlite3.connect(house.data / "revocations.db")) as database:
        database.execute("DROP TABLE records")

    assert alice.get("me").status_code == 503
    assert problem(house.send(declared["url"], b"1")) == (503, "busy")
    SqliteState(house.data / "revocations.db")
    assert house.send(declared["url"], b"1").status_code == 201


# What ends


@whatever_ends_it
def test_what_clerk_tells_ends_a_token_with_the_next_request(house, alice, happened):
    assert alice.get("me").status_code == 200

    assert tell(house, *happened(alice)).status_code == 204

    assert problem(alice.get("me")) == (401, "not_authenticated")


@pytest.mark.parametrize("type_", ["session.ended", "session.removed", "session.revoked"])
def test_a_session_is_over_however_it_ended_and_another_one_is_not(house, alice, type_):
    other = sign_in(house, "alice")

    tell(house, type_, ended(alice)[1])

    assert (alice.get("me").status_code, other.get("me").status_code) == (401, 200)


@whatever_ends_it
def test_what_clerk_tells_ends_an_upload_pass(house, alice, office, happened):
    url = alice.declare(office, "a.txt", 1).json()["url"]
    assert house.client.options(url).status_code == 204

    tell(house, *happened(alice))

    for method in METHODS:
        answer = house.client.request(method, url, headers=TUS, content=b"1")
        assert (method, answer.status_code) == (method, 404)
    assert house.stored_files() == []


@whatever_ends_it
def test_what_clerk_tells_ends_a_download_link(house, alice, office, happened):
    link = share(alice, alice.upload(office, "a.txt", b"1"))
    assert house.client.head(link["url"]).status_code == 200

    tell(house, *happened(alice))

    assert house.client.head(link["url"]).status_code == 410
    assert problem(house.client.get(link["url"])) == (410, "link_ended")


@whatever_ends_it
def test_what_clerk_tells_ends_an_upload_under_way(house, alice, office, happened):
    url = alice.declare(office, "a.txt", 10).json()["url"]

    answer = house.send_in_two(url, b"01234", lambda: tell(house, *happened(alice)), b"56789")

    assert problem(answer) == (404, "upload_not_found")
    house.sweep()
    assert house.stored_files() == []


@whatever_ends_it
def test_what_clerk_tells_ends_a_download_under_way(house, alice, office, happened):
    link = share(alice, alice.upload(office, "big.bin", BIG))

    taken, seconds = house.cut_after_first(link["url"], lambda: tell(house, *happened(alice)))

    assert 0 < taken < len(BIG)
    assert seconds < 2


def test_a_download_by_a_token_ends_with_its_session(house, alice, office):
    file = alice.upload(office, "big.bin", BIG)
    headers = [(b"authorization", f"Bearer {alice.token()}".encode())]

    taken, seconds = house.cut_after_first(
        f"/api/v1/files/{file['id']}/content",
        lambda: tell(house, *ended(alice)),
        headers=headers,
    )

    assert 0 < taken < len(BIG)
    assert seconds < 2


def test_a_link_is_ended_for_as_long_as_it_would_have_lived(house, alice, office):
    link = share(alice, alice.upload(office, "a.txt", b"1"), expires_in=604_800)
    tell(house, *ended(alice))

    house.clock.advance(seconds=604_799)

    assert problem(house.client.get(link["url"])) == (410, "link_ended")


def test_what_is_revoked_stays_so_where_the_secret_is_not_set_any_more(
    house, alice, office, settings_for
):
    link = share(alice, alice.upload(office, "a.txt", b"1"))
    tell(house, *ended(alice))

    settings = settings_for(CLERK_JWT_KEY=house.standin.public_key_pem)
    with TestClient(create_app(settings, house.clock), base_url=settings.public_url) as client:
        assert problem(client.get(urlsplit(link["url"]).path)) == (403, "link_invalid")
        token = {"Authorization": f"Bearer {alice.token()}"}
        assert problem(client.get("/api/v1/me", headers=token)) == (401, "not_authenticated")


# What does not end


def test_what_was_bought_after_a_ban_was_lifted_lives(house, alice, office):
    file = alice.upload(office, "a.txt", b"1")
    before = share(alice, file)
    tell(house, *banned(alice))
    house.clock.advance(seconds=60)

    link, declared = share(alice, file), alice.declare(office, "b.txt", 1).json()

    assert house.client.get(link["url"]).status_code == 200
    assert house.send(declared["url"], b"2").status_code == 201
    assert problem(house.client.get(before["url"])) == (410, "link_ended")


def test_what_an_old_token_bought_before_a_ban_was_heard_of_dies(house, alice, office):
    """By the time of the purchase it would live: that is later than the ban."""
    file = alice.upload(office, "a.txt", b"1")
    token = alice.token()
    ban = house.clock.now + 10
    house.clock.advance(seconds=20)
    made = house.client.post(
        f"/api/v1/files/{file['id']}/link", json={}, headers={"Authorization": f"Bearer {token}"}
    )

    tell(house, *banned(alice), at=ban)

    assert problem(house.client.get(made.json()["url"])) == (410, "link_ended")


def test_a_ban_that_is_told_late_ends_nothing_that_came_after_it(house, alice, office):
    ban = house.clock.now - 1
    link = share(alice, alice.upload(office, "a.txt", b"1"))

    assert tell(house, *banned(alice), at=ban).status_code == 204

    assert alice.get("me").status_code == 200
    assert house.client.get(link["url"]).status_code == 200


def test_an_older_event_that_comes_later_takes_nothing_back(house, alice):
    token = {"Authorization": f"Bearer {alice.token()}"}
    tell(house, *deleted(alice), at=house.clock.now + 1, message_id="msg_2")

    tell(house, *banned(alice), at=house.clock.now - 100, message_id="msg_1")

    assert house.client.get("/api/v1/me", headers=token).status_code == 401


def test_what_somebody_else_bought_lives(house, alice, office):
    bob = sign_in(house, "bob", org="acme", role="org:admin")
    link = share(bob, bob.upload(office, "a.txt", b"1"))

    for happened in (ended, banned, deleted, left):
        tell(house, *happened(alice), message_id=happened.__name__)

    assert house.client.get(link["url"]).status_code == 200


def test_what_was_bought_outside_an_organization_outlives_the_membership(house, alice):
    own = sign_in(house, "alice")
    link = share(own, own.upload(own.home(), "a.txt", b"1"))

    tell(house, *left(alice))

    assert house.client.get(link["url"]).status_code == 200


# Who tells


def test_what_happens_at_clerk_is_heard_by_its_own_sender(house_with, empty_folder):
    clerk = Standin.open(empty_folder / "standin")
    house = house_with(
        CLERK_JWT_KEY=clerk.public_key_pem,
        CLERK_WEBHOOK_SECRET=clerk.webhook_secret(ENDPOINT),
    )
    house.standin.add_webhook(f"http://127.0.0.1:8040{PATH}", endpoint_id=ENDPOINT)
    alice = sign_in(house, "alice", org="acme", role="org:admin")
    bob = sign_in(house, "bob", org="acme", role="org:admin")
    links = [share(who, who.upload(who.office(), "a.txt", b"1")) for who in (alice, bob)]

    house.standin.ban("alice")
    house.standin.remove_member("bob", "acme")
    delivered = house.standin.deliver(house.client)

    assert {one.outcome for one in delivered} == {"204"}
    assert [house.client.get(link["url"]).status_code for link in links] == [410, 410]


def test_beside_the_stand_in_its_own_revocations_and_webhooks_both_count(house_with):
    house = house_with(DOORWARD_STANDIN="on", CLERK_WEBHOOK_SIGNING_SECRET=SECRET)
    alice, bob = sign_in(house, "alice"), sign_in(house, "bob")

    house.standin.revoke(alice.session.id)
    tell(house, *ended(bob))

    assert (alice.get("me").status_code, bob.get("me").status_code) == (401, 401)


def test_what_one_process_is_told_every_process_of_the_folder_knows(tmp_path):
    clerk = Standin.open(tmp_path / "clerk")
    environ = {
        "CLERK_JWT_KEY": clerk.public_key_pem,
        "CLERK_WEBHOOK_SIGNING_SECRET": SECRET,
    }
    session = clerk.sign_in("alice")
    data = {"id": session.id, "user_id": "user_alice"}
    headers = {"Authorization": f"Bearer {clerk.token(session)}"}
    with (
        ServerProcess(tmp_path / "data", **environ) as one,
        ServerProcess(tmp_path / "data", **environ) as other,
        httpx2.Client(trust_env=False) as client,
    ):
        assert client.get(f"{other.url}/api/v1/me", headers=headers).status_code == 200
        now = time.time()
        body = written("session.ended", data, now)
        told = client.post(f"{one.url}{PATH}", content=body, headers=signed(body, now))

        assert told.status_code == 204
        for server in (one, other):
            answer = client.get(f"{server.url}/api/v1/me", headers=headers)
            assert problem(answer) == (401, "not_authenticated")


# Keys, which live for years


@pytest.mark.parametrize(
    "happened", [banned, deleted, left, dissolved], ids=lambda one: one.__name__
)
def test_what_clerk_tells_ends_a_key_for_good(house, alice, happened):
    agent = alice.key("files:read")
    assert agent.get("me").status_code == 200

    tell(house, *happened(alice))
    assert agent.get("me").status_code == 401
    house.clock.advance(seconds=400 * 86_400)  # longer than anything told is remembered

    assert agent.get("me").status_code == 401


def test_a_key_lives_on_when_the_session_that_made_it_is_over(house, alice):
    agent = alice.key("files:read")

    tell(house, *ended(alice))

    assert agent.get("me").status_code == 200


def test_a_key_of_another_organization_outlives_the_membership_that_ended(house, alice):
    elsewhere = sign_in(house, "alice", org="globex", role="org:admin").key("files:read")

    tell(house, *left(alice))

    assert elsewhere.get("me").status_code == 200


def demoted(who: InSession) -> tuple[str, dict]:
    type_, membership = left(who)
    return type_.replace("deleted", "updated"), membership | {"role": "org:guest"}


def test_a_key_has_no_more_than_the_role_that_clerk_told_of(house, alice, office):
    agent = alice.key("files:read", "files:write")
    assert agent.post(f"workspaces/{office}/folders", name="a").status_code == 201

    tell(house, *demoted(alice))

    refused = agent.post(f"workspaces/{office}/folders", name="b")
    assert (refused.status_code, refused.json()["missing"]) == (403, "role editor")


def test_an_older_role_that_clerk_tells_of_later_gives_nothing_back(house, alice, office):
    agent = alice.key("files:read", "files:write")
    house.clock.advance(seconds=100)
    tell(house, *demoted(alice), message_id="msg_2")
    type_, membership = demoted(alice)

    tell(house, type_, membership | {"role": "org:admin"}, at=house.clock.now - 50)

    assert agent.post(f"workspaces/{office}/folders", name="b").status_code == 403


def test_whoever_joins_again_is_let_in_again(house, alice, office):
    tell(house, *left(alice))
    house.clock.advance(seconds=40)
    back = sign_in(house, "alice", org="acme", role="org:admin")

    assert back.get(f"workspaces/{office}/files").status_code == 200
    assert back.key("files:read").get(f"workspaces/{office}/files").status_code == 200


# What was bought while Clerk's word was on its way


@pytest.mark.parametrize("happened", [left, banned], ids=lambda one: one.__name__)
def test_a_token_that_was_made_meanwhile_ends_with_what_clerk_tells_of_later(
    house, alice, office, happened
):
    session_token = alice.token()
    agent = sign_in(house, "bob", org="acme", role="org:admin").key("files:read")
    house.clock.advance(seconds=20)
    at = house.clock.now - 10
    lent = agent.exchange(session_token).json()["access_token"]
    acting = type(agent)(house, "alice", {}, agent.id, lent)
    assert acting.get(f"workspaces/{office}/files").status_code == 200

    tell(house, *happened(alice), at=at)

    assert acting.get(f"workspaces/{office}/files").status_code == 401


@pytest.mark.parametrize("happened", [left, deleted], ids=lambda one: one.__name__)
def test_a_key_that_is_being_made_while_its_maker_ends_is_not_made(house, alice, happened):
    body = b'{"name": "k", "scopes": ["files:read"]}'
    told = False

    async def receive():
        nonlocal told
        if not told:  # the session was let in, and its body is awaited
            told = True
            await asyncio.to_thread(tell, house, *happened(alice))
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"authorization", f"Bearer {alice.token()}".encode())]
    headers.append((b"content-type", b"application/json"))
    answer = asyncio.run(house._drive("POST", "/api/v1/keys", receive, headers=headers))

    assert problem(answer) == (401, "not_authenticated")


# What people allowed applications


@pytest.mark.parametrize("happened", [banned, deleted, left, dissolved])
def test_what_somebody_allowed_ends_with_them_for_good(house, alice, clock, happened):
    app = Application.registered(house)
    tokens = app.allowed(alice)
    assert app.call(tokens["access_token"], "GET", "me").status_code == 200

    tell(house, *happened(alice))

    assert problem(app.call(tokens["access_token"], "GET", "me"))[0] == 401
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    clock.advance(seconds=29 * 86_400)  # after which nobody remembers what was told
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_what_others_allowed_goes_on(house, alice):
    bob, app = sign_in(house, "bob", org="acme"), Application.registered(house)
    tokens = app.allowed(bob)
    here = sign_in(house, "alice")  # in no organization
    own = app.allowed(here)

    tell(house, *left(alice))

    assert app.call(tokens["access_token"], "GET", "me").status_code == 200
    assert app.call(own["access_token"], "GET", "me").status_code == 200
