"""Fast.io's ticket: bought with a session, used once by whoever has it, good for nothing else."""

import asyncio
import json
from hashlib import sha256
from urllib.parse import urlencode, urlsplit

import pytest

from support import problem

MIB = 1 << 20
FORM_AROUND = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n', b"\r\n--x--\r\n"


@pytest.fixture
def team(alice):
    return alice.post("workspaces", name="Team").json()["id"]


@pytest.fixture
def carol(house, alice, team):
    alice.post(f"workspaces/{team}/members", user_id="user_carol", role="editor")
    return house.person("carol")


def add(person, workspace, *, slash="", **fields: object):
    path = f"/current/upload/workspace/{workspace}/add{slash}"
    return person.call("POST", path, json={"name": "a.txt"} | fields)


def bought(person, workspace, **fields: object) -> dict:
    answer = add(person, workspace, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(house, ticket: dict, content, **headers: str):
    return house.client.put(ticket["upload_url"], content=content, headers=headers)


def post(house, ticket: dict, content: bytes, field: str = "file"):
    return house.client.post(ticket["upload_url"], files={field: ("x.bin", content)})


def error(response) -> tuple[int, int, str]:
    """Status, number and stable code of a refusal, which is always the same envelope."""
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["result"] is False
    assert body["current_api_version"] == "1.0"
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    assert body["error"]["text"]
    return response.status_code, body["error"]["code"], body["error"]["error_code"]


def details(person, ticket: dict):
    return person.get(ticket["status_url"])


def listed(person, workspace) -> list[tuple[str, int]]:
    rows = person.get(f"workspaces/{workspace}/files").json()["data"]
    return [(row["name"], row["size"]) for row in rows]


# Buying


def test_a_ticket_takes_a_file_and_says_what_came_of_it(house, alice, team):
    ticket = bought(alice, team)
    path = urlsplit(ticket["upload_url"]).path

    assert ticket["result"] is True
    assert ticket["id"] == ticket["upload_id"]
    assert path == f"/current/upload/{ticket['id']}/put/"
    assert (ticket["method"], ticket["headers"]) == ("PUT", {})
    assert ticket["max_size"] == 50 << 30
    assert ticket["expires_at"] == "2026-09-21 14:28:20 UTC"  # NOON and 900 seconds
    assert details(alice, ticket).json()["session"]["status"] == "ready"

    sent = send(house, ticket, b"12345")

    assert sent.status_code == 201
    assert sent.json()["result"] is True
    file = alice.get(f"files/{sent.json()['new_file_id']}").json()
    assert (file["name"], file["size"]) == ("a.txt", 5)
    assert f"{sent.json()['hash_algo']}:{sent.json()['hash']}" == file["digest"]
    session = details(alice, ticket).json()["session"]
    assert (session["status"], session["new_file_id"]) == ("stored", file["id"])
    assert (session["size"], session["received_bytes"]) == (5, 5)


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_is_served_with_and_without_a_slash_and_never_redirects(
    house, alice, team, slash
):
    answer = add(alice, team, slash=slash)
    assert answer.status_code == 200
    upload_id = answer.json()["id"]
    assert alice.get(f"/current/upload/{upload_id}/details{slash}").status_code == 200
    path, query = answer.json()["upload_url"].split("/put/")

    assert house.client.put(f"{path}/put{slash}{query}", content=b"1").status_code == 201


def test_a_query_a_form_and_json_are_read_as_one(alice, team):
    path = f"/current/upload/workspace/{team}/add/?size=7"
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    by_form = alice.call("POST", path, content="name=b%C3%A4+1.txt&max_size=", headers=form)
    by_json = alice.call("POST", path, json={"name": "b.txt", "size": 7, "max_size": None})
    by_query = alice.call("POST", path + "&name=c.txt")

    assert [answer.status_code for answer in (by_form, by_json, by_query)] == [200] * 3
    assert details(alice, by_form.json()).json()["session"]["name"] == "bä 1.txt"
    assert details(alice, by_form.json()).json()["session"]["size"] == 7


def test_all_that_may_be_asked_of_a_ticket_holds_for_the_file(house, alice, team):
    folder = alice.post(f"workspaces/{team}/folders", name="in").json()["id"]
    ticket = bought(
        alice,
        team,
        size=5,
        folder_id=folder,
        mimetype="text/plain",
        hash=sha256(b"12345").hexdigest().upper(),
        hash_algo="sha256",
        metadata_title="A title",
        metadata_short="Short.",
        subject="customer 7",
        expires_in=60,
    )

    sent = send(house, ticket, b"12345").json()

    file = alice.get(f"files/{sent['new_file_id']}").json()
    assert (file["parent_id"], file["content_type"]) == (folder, "text/plain")
    assert file["metadata"] == {"title": "A title", "short": "Short."}
    assert (sent["hash_algo"], sent["hash"]) == ("sha256", sha256(b"12345").hexdigest())
    trail = alice.get("audit", params={"workspace": team}).json()["data"]
    (created,) = [entry for entry in trail if entry["action"] == "upload:create"]
    assert created["details"]["subject"] == "customer 7"
    assert (created["actor"]["id"], created["resource"]["id"]) == ("user_alice", ticket["id"])


@pytest.mark.parametrize("parent", ["folder_id", "parent", "parent_node_id"])
def test_the_folder_has_three_names_and_the_root_one(house, alice, team, parent):
    folder = alice.post(f"workspaces/{team}/folders", name="in").json()["id"]
    inside = send(house, bought(alice, team, **{parent: folder}), b"1").json()["new_file_id"]
    outside = send(house, bought(alice, team, **{parent: "root"}), b"1").json()["new_file_id"]

    assert alice.get(f"files/{inside}").json()["parent_id"] == folder
    assert alice.get(f"files/{outside}").json()["parent_id"] is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": None}, "name"),
        ({"size": -1}, "size"),
        ({"size": "many"}, "size"),
        ({"size": True}, "size"),
        ({"max_size": 1 << 60}, "max_size"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": 86_401}, "expires_in"),
        ({"overwrite": "maybe"}, "overwrite"),
        ({"hash": "abc"}, "hash"),
        ({"hash_algo": "sha256"}, "fields"),
        ({"hash": "0" * 64, "hash_algo": "md5"}, "hash_algo"),
        ({"if_version_id": "ver_1"}, "fields"),
        ({"folder_id": "file_1", "parent": "file_2"}, "fields"),
        ({"mimetype": "text/plain\r\nX: y"}, "mimetype"),
        ({"subject": "x" * 256}, "subject"),
        ({"max_sise": 5}, "max_sise"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_bought(alice, team, fields, named):
    refused = add(alice, team, **fields)

    assert error(refused) == (400, 1605, "invalid_request")
    assert [param["name"] for param in refused.json()["error"]["params"]] == [named]
    assert alice.get("links").json()["data"] == []


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", b"[" * 60_000, (400, 1605, "malformed_request")),
        ("application/json", b'{"a":' * 10_000, (400, 1605, "malformed_request")),
        ("application/json", b'{"name": {"a": "b"}}', (400, 1605, "malformed_request")),
        ("application/json", b'{"name": "\xff"}', (400, 1605, "malformed_request")),
        ("application/json", b'{"name": "\\ud800"}', (400, 1605, "malformed_request")),
        ("application/json", b'{"size": ' + b"9" * 5000 + b"}", (400, 1605, "malformed_request")),
        (
            "application/json",
            json.dumps({str(n): n for n in range(33)}).encode(),
            (400, 1605, "malformed_request"),
        ),
        (FORM, b"&".join(b"%d=1" % n for n in range(33)), (400, 1605, "malformed_request")),
        (FORM, b"name=%ff", (400, 1605, "malformed_request")),
        (FORM, b"name=a&name=b", (400, 1605, "invalid_request")),
        (FORM, b"name=" + b"x" * (64 << 10), (413, 1685, "request_too_large")),
        ("text/plain", b"name=a", (415, 1605, "unsupported_media_type")),
        ("multipart/form-data; boundary=x", b"--x--", (415, 1605, "unsupported_media_type")),
    ],
)
def test_a_body_that_can_t_be_read_costs_little_and_buys_nothing(alice, team, kind, body, expected):
    path = f"/current/upload/workspace/{team}/add"

    refused = alice.call("POST", path, content=body, headers={"Content-Type": kind})

    assert error(refused) == expected
    assert alice.get("links").json()["data"] == []


def test_a_body_without_end_is_refused_while_it_comes(house, alice, team):
    path = f"/current/upload/workspace/{team}/add"
    headers = [(b"authorization", f"Bearer {alice.token()}".encode())]
    taken = 0

    async def receive():
        nonlocal taken
        if taken > 100 << 10:
            return {"type": "http.disconnect"}
        taken += 1000
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    refused = asyncio.run(house._drive("POST", path, receive, headers=headers))

    assert refused.status_code == 413


def test_a_refused_purchase_waits_for_nothing_after_its_body_has_ended(house, alice, team):
    answer = house.send_and_never_be_asked_again(
        "POST",
        f"/current/upload/workspace/{team}/add",
        b'{"name": ',
        b'"../a"}',
        Authorization=f"Bearer {alice.token()}",
        Content_Type="application/json",
    )

    assert error(answer) == (422, 1605, "name_invalid")
    assert "connection" not in answer.headers


def test_two_values_for_one_field_are_refused_wherever_they_stand(alice, team):
    path = f"/current/upload/workspace/{team}/add?name=a.txt&max_size=5"

    refused = alice.call("POST", path, json={"max_size": 5_000_000})

    assert error(refused) == (400, 1605, "invalid_request")
    assert alice.call("POST", path, json={"max_size": 5}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": 11, "max_size": 10}, (413, 1685, "upload_too_large")),
        ({"size": 101}, (507, 1685, "quota_exceeded")),
        ({"name": "../a"}, (422, 1605, "name_invalid")),
        ({"folder_id": "file_none"}, (409, 1605, "parent_invalid")),
        ({"name": "there", "overwrite": "fail"}, (409, 1605, "name_taken")),
    ],
)
def test_a_ticket_is_judged_as_every_upload_is(house_with, fields, expected):
    alice = house_with(DOORWARD_QUOTA_BYTES="100").person("alice")
    home = alice.home()
    alice.upload(home, "there", b"1")

    assert error(add(alice, home, **fields)) == expected


def test_nobody_buys_without_a_credential_that_is_good(house, alice, team):
    path = f"/current/upload/workspace/{team}/add/"
    nobody = house.client.post(path, json={"name": "a"})
    wrong = house.client.post(
        path, json={"name": "a"}, headers={"Authorization": f"Bearer {alice.token()}x"}
    )

    assert error(nobody) == (401, 10011, "not_authenticated")
    assert error(wrong) == (401, 1650, "not_authenticated")
    assert nobody.headers["www-authenticate"].startswith("Bearer")


def test_who_may_not_write_here_buys_nothing_and_a_stranger_learns_nothing(
    house, alice, carol, team
):
    alice.patch(f"workspaces/{team}/members/user_carol", role="viewer")
    mallory = house.person("mallory")

    assert error(add(carol, team)) == (403, 1680, "permission_denied")
    hidden, missing = add(mallory, team), add(mallory, "ws_" + "a" * 26)
    assert error(hidden) == error(missing) == (404, 1609, "workspace_not_found")
    assert hidden.json()["error"]["text"] == missing.json()["error"]["text"]
    trail = alice.get("audit", params={"workspace": team}).json()["data"]
    refused = {entry["actor"]["id"] for entry in trail if entry["outcome"] == "denied"}
    assert {"user_carol", "user_mallory"} <= refused


# Progress


def test_progress_is_told_to_whoever_sees_the_workspace_and_to_nobody_else(
    house, alice, carol, team
):
    ticket = bought(alice, team)
    mallory = house.person("mallory")

    assert details(carol, ticket).json()["session"]["id"] == ticket["id"]
    assert error(details(mallory, ticket)) == (404, 1609, "upload_not_found")
    assert error(house.client.get(ticket["status_url"])) == (401, 10011, "not_authenticated")
    query = urlsplit(ticket["upload_url"]).query
    by_ticket = house.client.get(f"{ticket['status_url']}?{query}")
    assert error(by_ticket) == (401, 10011, "not_authenticated")


def test_an_upload_that_came_to_nothing_has_ended_for_those_who_ask(house, alice, team):
    ticket = bought(alice, team, max_size=1)
    assert send(house, ticket, b"12").status_code == 413

    session = details(alice, ticket).json()["session"]

    assert session["status"] == "assembly_failed"
    assert session["status_message"] == "upload_too_large"


# Using


def test_a_form_brings_the_same_file(house, alice, team):
    content = bytes(range(256)) * 10_000
    ticket = bought(alice, team, size=len(content), hash=sha256(content).hexdigest())

    sent = post(house, ticket, content)

    assert sent.status_code == 201
    file_id = sent.json()["new_file_id"]
    assert alice.get(f"files/{file_id}/content").content == content
    assert listed(alice, team) == [("a.txt", len(content))]


def test_of_unknown_size_whatever_arrived_is_the_file(house, alice, team):
    assert send(house, bought(alice, team), iter([b"12", b"345"])).status_code == 201
    assert post(house, bought(alice, team, name="b"), b"").status_code == 201
    assert listed(alice, team) == [("a.txt", 5), ("b", 0)]


@pytest.mark.parametrize("again", [send, post])
@pytest.mark.parametrize("first", [send, post])
def test_a_ticket_is_good_once(house, alice, team, first, again):
    ticket = bought(alice, team)
    assert first(house, ticket, b"1").status_code == 201

    assert error(again(house, ticket, b"2"))[:2] == (410, 1609)
    assert listed(alice, team) == [("a.txt", 1)]


def test_a_ticket_that_was_cut_is_spent_and_its_buyer_goes_on_with_another_url(house, alice, team):
    ticket = bought(alice, team)

    async def cut():
        messages = iter([{"type": "http.request", "body": b"12345", "more_body": True}])

        async def receive():
            return next(messages, {"type": "http.disconnect"})

        return await house._drive("PUT", ticket["upload_url"], receive)

    assert asyncio.run(cut()).status_code == 400
    assert error(send(house, ticket, b"12345")) == (410, 1609, "link_ended")
    upload = alice.get(f"uploads/{ticket['id']}").json()
    assert upload["received_bytes"] == 5
    assert house.send(upload["url"], b"1234567").status_code == 201


def test_a_second_one_with_the_ticket_disturbs_the_first_in_nothing(house, alice, team):
    ticket = bought(alice, team)
    seconds = []

    def meanwhile():
        seconds.append(house.client.put(ticket["upload_url"], content=b"999"))

    sent = house.send_in_two(ticket["upload_url"], b"123", meanwhile, b"45")

    assert error(seconds[0]) == (410, 1609, "link_ended")
    assert sent.status_code == 201
    file_id = json.loads(sent.content)["new_file_id"]
    assert alice.get(f"files/{file_id}/content").content == b"12345"


def test_only_one_of_many_at_once_gets_in(house, alice, team):
    ticket = bought(alice, team)

    async def one(number: int):
        body = iter([{"type": "http.request", "body": b"%d" % number, "more_body": False}])

        async def receive():
            return next(body)

        return (await house._drive("PUT", ticket["upload_url"], receive)).status_code

    async def all_of_them():
        return await asyncio.gather(*map(one, range(8)))

    assert sorted(asyncio.run(all_of_them())) == [201] + [410] * 7
    assert listed(alice, team) == [("a.txt", 1)]


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("declared", [{"size": 5}, {"max_size": 5}])
def test_one_byte_too_many_ends_the_upload(house, alice, team, declared, form):
    ticket = bought(alice, team, **declared)
    before = house.stored_files()

    refused = (
        post(house, ticket, b"123456") if form else send(house, ticket, iter([b"123", b"456"]))
    )

    assert error(refused) == (413, 1685, "upload_too_large")
    assert refused.json()["error"]["limit_bytes"] == 5
    assert error(send(house, ticket, b"12345"))[:2] == (410, 1609)
    assert alice.get(f"uploads/{ticket['id']}").json()["status"] == "failed"
    assert house.stored_files() == before
    assert listed(alice, team) == []


@pytest.mark.parametrize("form", [False, True])
def test_a_refusal_waits_for_nothing_after_a_body_that_has_ended(house, alice, team, form):
    ticket = bought(alice, team, size=5)
    before, after = FORM_AROUND if form else (b"1", b"2")

    answer = house.send_and_never_be_asked_again(
        "POST" if form else "PUT",
        ticket["upload_url"],
        before,
        b"3",
        after,
        Content_Type="multipart/form-data; boundary=x",
    )

    assert error(answer) == (422, 1605, "size_mismatch")
    assert "connection" not in answer.headers


def test_too_few_bytes_make_no_file(house, alice, team):
    ticket = bought(alice, team, size=5)

    assert error(post(house, ticket, b"1234")) == (422, 1605, "size_mismatch")
    assert listed(alice, team) == []


@pytest.mark.parametrize("form", [False, True])
def test_a_wrong_hash_makes_no_file(house, alice, team, form):
    ticket = bought(alice, team, hash=sha256(b"right").hexdigest(), hash_algo="sha256")
    before = house.stored_files()

    refused = (post if form else send)(house, ticket, b"wrong")

    assert error(refused) == (422, 1605, "checksum_mismatch")
    assert listed(alice, team) == []
    assert house.stored_files() == before


def test_a_full_quota_is_507_and_the_upload_waits_for_room(house_with):
    house = house_with(DOORWARD_QUOTA_BYTES="10")
    alice = house.person("alice")
    home = alice.home()
    ticket = bought(alice, home)
    taken = alice.declare(home, "b", 8).json()

    assert error(send(house, ticket, b"123")) == (507, 1685, "quota_exceeded")
    assert alice.delete(f"uploads/{taken['id']}").status_code == 204
    upload = alice.get(f"uploads/{ticket['id']}").json()
    assert house.send(upload["url"], b"123").status_code == 201


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/octet-stream", b"12345"),
        ("multipart/mixed; boundary=x", b"--x--"),
        ("", b""),
    ],
)
def test_what_is_posted_and_is_no_form_spends_nothing(house, alice, team, kind, body):
    ticket = bought(alice, team)

    refused = house.client.post(ticket["upload_url"], content=body, headers={"Content-Type": kind})

    assert error(refused) == (415, 1605, "unsupported_media_type")
    assert send(house, ticket, b"1").status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n12345\r\n',
        b"",
    ],
)
def test_a_form_without_a_whole_file_makes_none(house, alice, team, body):
    ticket = bought(alice, team)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    refused = house.client.post(ticket["upload_url"], content=body, headers=headers)

    assert error(refused) == (400, 1605, "malformed_request")
    assert listed(alice, team) == []


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        ("", ""),
        ("boundary=", ""),
        ("boundary=" + "x" * 71, "x" * 71),
        ('boundary="a\tb"', "a\tb"),
        ('boundary="x "', "x "),
        ("boundary*=utf-8''x", "x"),
    ],
)
def test_a_form_with_an_odd_boundary_is_none(house, alice, team, said, boundary):
    ticket = bought(alice, team)
    head = 'Content-Disposition: form-data; name="file"'

    refused = house.client.post(
        ticket["upload_url"],
        content=f"--{boundary}\r\n{head}\r\n\r\n1\r\n--{boundary}--".encode(),
        headers={"Content-Type": f"multipart/form-data; {said}"},
    )

    assert error(refused) == (400, 1605, "malformed_request")
    assert send(house, ticket, b"1").status_code == 201  # it was not spent


# Expiry, revocation, and what a ticket can't be used for


@pytest.mark.parametrize(("seconds", "status"), [(59, 201), (60, 410), (61, 410)])
def test_a_ticket_lives_to_the_second(house, clock, alice, team, seconds, status):
    ticket = bought(alice, team, expires_in=60)
    clock.advance(seconds=seconds)

    sent = send(house, ticket, b"1")

    assert sent.status_code == status
    if status == 410:
        assert error(sent) == (410, 1609, "upload_url_expired")


def test_expiry_is_judged_when_the_request_begins(house, clock, alice, team):
    ticket = bought(alice, team, expires_in=60)

    sent = house.send_in_two(
        ticket["upload_url"], b"123", lambda: clock.advance(seconds=600), b"45"
    )

    assert sent.status_code == 201


def test_a_ticket_dies_with_the_session_that_bought_it(house, alice, team):
    ticket = bought(alice, team)
    trail = alice.get("audit", params={"workspace": team}).json()["data"]
    (created,) = [entry for entry in trail if entry["action"] == "upload:create"]
    house.standin.revoke(created["credential"]["id"])

    assert error(send(house, ticket, b"1")) == (404, 1609, "upload_not_found")


def test_a_ticket_dies_with_the_membership_and_the_role(house, alice, carol, team):
    gone, weaker = bought(carol, team), bought(carol, team, name="b")
    alice.patch(f"workspaces/{team}/members/user_carol", role="viewer")
    assert error(send(house, weaker, b"1")) == (403, 1680, "permission_denied")
    alice.delete(f"workspaces/{team}/members/user_carol")

    assert error(send(house, gone, b"1")) == (404, 1609, "upload_not_found")
    assert listed(alice, team) == []


def test_a_ticket_is_listed_and_can_be_killed_like_every_link(house, alice, team):
    ticket = bought(alice, team)
    mine = alice.get("links", params={"resource": ticket["id"]}).json()["data"]
    (link,) = [row for row in mine if row["limits"]["uses"] == 1]

    assert alice.delete(f"links/{link['id']}").status_code == 204
    assert error(send(house, ticket, b"1")) == (410, 1609, "link_ended")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"),
        lambda t: t.replace(t.split(".")[1], str(int(t.split(".")[1]) + 1)),
        lambda t: "link_" + "a" * 26 + t[t.index(".") :],
        lambda t: t.rpartition(".")[0],
        lambda t: t + ".x",
        lambda t: f"{t}&ticket={t}",
        lambda _: "",
        lambda _: "ü.1.x",
    ],
)
def test_an_altered_ticket_takes_nothing(house, alice, team, change):
    ticket = bought(alice, team)
    url, _, value = ticket["upload_url"].partition("?ticket=")

    refused = house.client.put(f"{url}?ticket={change(value)}", content=b"1")

    assert error(refused) == (403, 1680, "upload_url_invalid")
    assert send(house, ticket, b"1").status_code == 201


def test_a_ticket_is_for_its_own_upload(house, alice, team):
    one, other = bought(alice, team), bought(alice, team, name="b")
    query = urlsplit(other["upload_url"]).query

    refused = house.client.put(f"/current/upload/{one['id']}/put/?{query}", content=b"1")

    assert error(refused) == (403, 1680, "upload_url_invalid")


def test_a_ticket_is_no_url_of_an_upload_and_such_a_url_is_no_ticket(house, alice, team):
    ticket = bought(alice, team)
    link, expires, signature = ticket["upload_url"].partition("?ticket=")[2].split(".")
    query = urlencode({"link": link, "expires": expires, "signature": signature})
    own = urlsplit(alice.get(f"uploads/{ticket['id']}").json()["url"])
    fields = dict(pair.split("=", 1) for pair in own.query.split("&"))
    as_ticket = f"{fields['link']}.{fields['expires']}.{fields['signature']}"

    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        refused = house.client.request(method, f"/transfer/{ticket['id']}?{query}")
        assert refused.status_code == 403
    refused = house.client.put(
        f"/current/upload/{ticket['id']}/put/?ticket={as_ticket}", content=b"1"
    )
    assert error(refused) == (403, 1680, "upload_url_invalid")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_a_ticket_gives_nothing_out(house, alice, team, method):
    ticket = bought(alice, team)
    override = {"X-HTTP-Method-Override": "PUT"}

    refused = house.client.request(method, ticket["upload_url"], headers=override)

    assert refused.status_code == 405
    assert refused.headers["allow"] == "OPTIONS, PUT, POST"
    file_id = send(house, ticket, b"1").json()["new_file_id"]
    query = urlsplit(ticket["upload_url"]).query
    for path in (f"files/{file_id}", f"files/{file_id}/content", f"uploads/{ticket['id']}"):
        assert house.client.get(f"/api/v1/{path}?{query}").status_code == 401


def test_the_same_upload_is_reached_as_every_other_one_is(house, alice, team):
    ticket = bought(alice, team)
    url = alice.get(f"uploads/{ticket['id']}").json()["url"]
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}

    begun = house.client.patch(url, content=b"123", headers=tus | {"Upload-Offset": "0"})
    assert begun.status_code == 204
    assert details(alice, ticket).json()["session"]["received_bytes"] == 3
    assert send(house, ticket, b"12345").status_code == 201
    assert listed(alice, team) == [("a.txt", 5)]


# Replacing


def test_a_file_is_replaced_where_that_was_asked_for_and_renamed_otherwise(house, alice, team):
    first = send(house, bought(alice, team), b"1").json()
    second = send(house, bought(alice, team, overwrite="replace"), b"22").json()
    third = send(house, bought(alice, team), b"333").json()

    assert second["new_file_id"] == first["new_file_id"] != third["new_file_id"]
    assert listed(alice, team) == [("a (2).txt", 3), ("a.txt", 2)]


def test_a_version_is_replaced_only_while_it_is_the_newest(house, alice, team):
    first = send(house, bought(alice, team), b"1").json()
    wanted = {"overwrite": "replace", "if_version_id": first["version"]}
    good, late = bought(alice, team, **wanted), bought(alice, team, **wanted)

    second = send(house, good, b"22").json()
    refused = send(house, late, b"333")

    assert error(refused) == (409, 1660, "version_conflict")
    assert refused.json()["error"]["params"] == {"current": second["version"]}
    assert error(add(alice, team, **wanted)) == (409, 1660, "version_conflict")
    assert error(add(alice, team, name="none", **wanted)) == (409, 1660, "version_conflict")
    assert listed(alice, team) == [("a.txt", 2)]


def test_the_rest_api_replaces_a_version_in_the_same_way(alice, team):
    version = alice.upload(team, "a", b"1")["version_id"]
    more = {"on_conflict": "replace", "if_version_id": version}

    assert alice.upload(team, "a", b"22", **more)["size"] == 2
    assert problem(alice.declare(team, "a", 1, **more)) == (409, "version_conflict")
    alone = alice.declare(team, "a", 1, if_version_id=version)
    assert problem(alone) == (422, "invalid_request")


# The door itself


@pytest.mark.parametrize(
    "path",
    [
        "/current/",
        "/current/upload/",
        "/current/upload/limits/",
        "/current/org/create/",
        "/current/upload//put/",
        "/current/upload/up_1/put//",
        "/current/upload/up_1/chunk/",
        "/current/upload/workspace/ws_1/add/x",
    ],
)
def test_an_unknown_path_says_so_in_json_to_everybody(house, path):
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        assert error(house.client.request(method, path)) == (404, 9992, "not_found")


def test_a_known_path_says_which_methods_it_takes(house):
    refused = house.client.get("/current/upload/workspace/ws_1/add/")

    assert error(refused) == (405, 1658, "method_not_allowed")
    assert refused.headers["allow"] == "OPTIONS, POST"


def test_every_page_may_use_a_ticket_and_only_ours_may_buy_one(house, alice, team):
    ticket = bought(alice, team)
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PUT"}

    preflight = house.client.options(ticket["upload_url"], headers=asked)
    sent = send(house, ticket, b"1", Origin="https://shop.example")
    buying = house.client.options(f"/current/upload/workspace/{team}/add", headers=asked)
    ours = house.client.options(
        f"/current/upload/workspace/{team}/add", headers=asked | {"Origin": "http://testserver"}
    )

    assert preflight.status_code == 204
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert sent.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in sent.headers
    assert "access-control-allow-origin" not in buying.headers
    assert ours.status_code == 204


def test_a_failure_of_ours_is_json_too_and_says_nothing(alice, team, monkeypatch):
    from doorward.server.doors.fastio import tickets

    def broken(*_: object, **__: object):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(tickets, "create_ticket", broken)
    refused = add(alice, team)

    assert error(refused) == (500, 500, "internal")
    assert "secret" not in refused.text


def test_the_ticket_is_in_no_row_and_no_log(house, alice, team, caplog):
    caplog.set_level("DEBUG")
    ticket = bought(alice, team)
    send(house, ticket, b"1")
    signature = ticket["upload_url"].rpartition(".")[2]

    ours = [record.getMessage() for record in caplog.records if "doorward" in record.name]
    assert len(ours) >= 2
    assert not any(signature in line for line in ours)
    assert signature.encode() not in (house.data / "doorward.db").read_bytes()
