"""Signed links: each use is judged by the link's row and by whoever made it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from doorward.server.links.urls import UrlSigner
from doorward.server.links.using import SIGNED_LINK
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.problems import LinkEnded
from doorward.server.uploads.receiving import hold_upload
from support import problem

TEN = b"0123456789"
BIG = bytes(range(256)) * (40 << 10)  # 10 MiB: more than any buffer holds


@pytest.fixture
def team(house):
    """A workspace of Alice's in which Carol edits."""
    alice, carol = house.person("alice"), house.person("carol")
    carol.home()
    team = alice.post("workspaces", name="Team").json()["id"]
    alice.post(f"workspaces/{team}/members", user_id="user_carol", role="editor")
    return team


@pytest.fixture
def carol(house):
    return house.person("carol")


@pytest.fixture
def file(alice):
    return alice.upload(alice.home(), "ten.txt", TEN, content_type="text/plain")


def share(person, file, **options):
    made = person.post(f"files/{file['id']}/link", **options)
    assert made.status_code == 201, made.text
    return made.json()


def follow(house, link, method="GET", **headers):
    return house.client.request(method, link["url"], headers=headers)


def trail_of(person, workspace):
    return person.get("audit", params={"workspace": workspace, "action": "file:download"}).json()[
        "data"
    ]


def test_a_link_gives_the_file_without_a_credential(alice, house, file):
    link = share(alice, file)

    answer = follow(house, link)

    assert answer.content == TEN
    assert answer.headers["content-disposition"] == 'attachment; filename="ten.txt"'
    assert link["id"].startswith("link_")


def test_a_link_lives_minutes_unless_it_is_asked_to_live_longer(alice, house, clock, file):
    brief, longer = share(alice, file), share(alice, file, expires_in=3600)
    clock.advance(seconds=901)

    assert problem(follow(house, brief)) == (410, "link_expired")
    assert follow(house, longer).status_code == 200
    clock.advance(seconds=2700)
    assert problem(follow(house, longer)) == (410, "link_expired")


def test_a_link_can_not_be_asked_to_live_for_ever(alice, file):
    made = alice.post(f"files/{file['id']}/link", expires_in=604_801)

    assert problem(made) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("old", "new"),
    [("signature=", "signature=A"), ("expires=1", "expires=2"), ("link_", "link_a"), ("?", "?x=")],
)
def test_a_changed_link_is_refused(alice, house, file, old, new):
    link = share(alice, file)

    assert problem(follow(house, {"url": link["url"].replace(old, new)})) == (403, "link_invalid")


def test_a_link_of_another_house_is_refused(alice, house, file):
    link = share(alice, file)
    foreign = UrlSigner("http://127.0.0.1:8040", b"x" * 32)
    url = foreign.download_url(link["id"], datetime.fromisoformat(link["expires_at"]))
    assert problem(follow(house, {"url": url})) == (403, "link_invalid")


def test_an_upload_url_downloads_nothing(alice, house):
    declared = alice.declare(alice.home(), "later.txt", 3).json()
    query = urlsplit(declared["url"]).query
    link_id = alice.get("links").json()["data"][0]["id"]

    answer = house.client.get(f"/download/{link_id}?{query}")

    assert problem(answer) == (403, "link_invalid")


def test_a_killed_link_is_refused_from_the_next_request_on(alice, house, file):
    link = share(alice, file)
    assert alice.delete(f"links/{link['id']}").status_code == 204

    assert problem(follow(house, link)) == (410, "link_ended")
    row = alice.get(f"links/{link['id']}").json()
    assert (row["live"], row["killed_at"] is not None) == (False, True)


def test_a_link_ends_with_the_session_that_made_it(alice, house, file):
    other, link = share(alice, file), share(alice, file)
    trail = alice.get("audit", params={"workspace": file["workspace_id"], "action": "link:create"})
    house.standin.revoke(trail.json()["data"][0]["credential"]["id"])

    assert problem(follow(house, link)) == (410, "link_ended")
    assert follow(house, other).status_code == 200  # another session made it


def test_a_link_ends_with_its_makers_membership(alice, carol, house, team):
    file = carol.upload(team, "plan.txt", TEN)
    link = share(carol, file)
    assert follow(house, link).status_code == 200
    alice.delete(f"workspaces/{team}/members/user_carol")

    assert problem(follow(house, link)) == (410, "link_ended")


def test_a_link_ends_when_its_maker_may_not_share_any_more(alice, carol, house, team):
    file = carol.upload(team, "plan.txt", TEN)
    link = share(carol, file)
    alice.patch(f"workspaces/{team}/members/user_carol", role="viewer")

    assert problem(follow(house, link)) == (410, "link_ended")


def test_a_link_of_an_organization_ends_with_the_role_there(house):
    dora = house.person("dora", org="acme", role="org:member")
    file = dora.upload(dora.office(), "plan.txt", TEN)
    link = share(dora, file)
    assert follow(house, link).status_code == 200
    weaker = house.person("dora", org="acme", role="org:guest")
    weaker.get("me")

    assert problem(follow(house, link)) == (410, "link_ended")


def test_a_viewer_makes_no_links(alice, carol, team):
    file = alice.upload(team, "plan.txt", TEN)
    alice.patch(f"workspaces/{team}/members/user_carol", role="viewer")

    assert problem(carol.post(f"files/{file['id']}/link")) == (403, "permission_denied")


def test_a_link_ends_with_its_file(alice, house, file):
    link = share(alice, file)
    alice.delete(f"files/{file['id']}")

    assert problem(follow(house, link)) == (410, "link_ended")


def test_a_link_to_a_version_gives_that_version(alice, house, file):
    versions = alice.get(f"files/{file['id']}/versions").json()["data"]
    link = share(alice, file, version_id=versions[0]["id"])
    alice.upload(alice.home(), "ten.txt", b"new", on_conflict="replace")

    assert follow(house, link).content == TEN
    assert follow(house, share(alice, file)).content == b"new"


def test_a_version_of_another_file_is_not_shared(alice, file):
    other = alice.upload(alice.home(), "other.txt", b"x")
    versions = alice.get(f"files/{other['id']}/versions").json()["data"]

    made = alice.post(f"files/{file['id']}/link", version_id=versions[0]["id"])

    assert problem(made) == (404, "version_not_found")


def test_a_link_for_one_use_is_good_for_one(alice, house, file):
    link = share(alice, file, uses=1)

    assert follow(house, link).content == TEN
    assert problem(follow(house, link)) == (410, "link_ended")
    row = alice.get(f"links/{link['id']}").json()
    assert (row["uses"], row["bytes"], row["live"]) == (1, 10, False)


def test_of_many_at_once_one_gets_the_only_use(alice, house, file):
    link = share(alice, file, uses=1)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: follow(house, link).status_code, range(16)))

    assert sorted(answers) == [200] + [410] * 15


def test_a_look_at_the_head_spends_no_use(alice, house, file):
    link = share(alice, file, uses=1)

    for _ in range(3):
        head = follow(house, link, "HEAD")
        assert (head.status_code, head.headers["content-length"]) == (200, "10")

    assert follow(house, link).content == TEN


def test_a_link_that_was_used_up_tells_others_nothing_of_what_came_after(alice, house, file):
    link = share(alice, file, uses=1)
    follow(house, link, **{"User-Agent": "first"})
    alice.upload(alice.home(), "ten.txt", b"newer", on_conflict="replace")

    for method, more in (
        ("HEAD", {}),
        ("GET", {"If-None-Match": "*"}),
        ("GET", {"If-Match": '""'}),
    ):
        answer = follow(house, link, method, **{"User-Agent": "other"}, **more)
        assert answer.status_code == 410
        assert "etag" not in answer.headers


def test_an_answer_without_bytes_spends_no_use(alice, house, file):
    link = share(alice, file, uses=1)

    known = follow(house, link, **{"If-None-Match": f'"{file["digest"]}"'})
    outside = follow(house, link, Range="bytes=10-")

    assert (known.status_code, outside.status_code) == (304, 416)
    assert follow(house, link).status_code == 200


def test_a_cut_download_goes_on_within_its_only_use(alice, house):
    file = alice.upload(alice.home(), "big.bin", BIG)
    link = share(alice, file, uses=1)
    first = follow(house, link, Range="bytes=0-999999")

    rest = follow(house, link, Range="bytes=1000000-")

    assert first.content + rest.content == BIG
    assert alice.get(f"links/{link['id']}").json()["uses"] == 1


def test_another_client_does_not_go_on_with_somebodys_use(alice, house, file):
    link = share(alice, file, uses=1)
    follow(house, link, Range="bytes=0-4")

    answer = follow(house, link, Range="bytes=5-", **{"User-Agent": "another"})

    assert problem(answer) == (410, "link_ended")


def test_going_on_without_end_is_no_second_download(alice, house, file):
    link = share(alice, file, uses=1)
    follow(house, link)

    answers = [follow(house, link, Range="bytes=1-").status_code for _ in range(3)]

    assert answers == [206, 410, 410]


def test_bytes_are_bounded_whatever_the_requests(alice, house, file):
    link = share(alice, file, bytes=15)

    assert follow(house, link).status_code == 200
    assert problem(follow(house, link)) == (410, "link_ended")
    assert follow(house, link, Range="bytes=0-4").status_code == 206
    assert problem(follow(house, link, Range="bytes=0-0")) == (410, "link_ended")


def test_a_link_bound_to_networks_works_from_those_alone(alice, house, file):
    here = share(alice, file, networks=["127.0.0.0/8"])
    there = share(alice, file, networks=["192.0.2.0/24", "2001:db8::/32"])

    assert house.ask("GET", here["url"], client=("127.0.0.1", 1)).status_code == 200
    assert house.ask("GET", here["url"], client=("::ffff:127.0.0.1", 1)).status_code == 200
    assert problem(house.ask("GET", there["url"])) == (403, "link_network_refused")
    assert house.ask("GET", there["url"], client=("192.0.2.7", 1)).status_code == 200
    assert house.ask("GET", there["url"], client=("2001:db8::1", 1)).status_code == 200
    assert problem(house.ask("GET", there["url"], client=None)) == (403, "link_network_refused")


@pytest.mark.parametrize("networks", [["x"], ["10.0.0.1/8"], [], ["10.0.0.0/8"] * 17])
def test_what_is_no_network_is_refused(alice, file, networks):
    made = alice.post(f"files/{file['id']}/link", networks=networks)

    assert problem(made) == (422, "invalid_request")


def test_a_link_is_only_narrowed(alice, file):
    link = share(alice, file, uses=5, bytes=100, networks=["10.0.0.0/8"], expires_in=600)
    path = f"links/{link['id']}"
    row = alice.get(path).json()
    for wider in (
        {"uses": 6},
        {"bytes": 101},
        {"networks": ["0.0.0.0/0"]},
        {"networks": ["10.1.0.0/16", "::/0"]},
        {"expires_at": "2099-01-01T00:00:00Z"},
    ):
        assert problem(alice.patch(path, **wider)) == (422, "link_wider")

    narrowed = alice.patch(path, uses=1, bytes=50, networks=["10.1.0.0/16"]).json()

    assert narrowed["limits"] == {"uses": 1, "bytes": 50, "networks": ["10.1.0.0/16"]}
    assert narrowed["expires_at"] == row["expires_at"]


@pytest.mark.parametrize("before", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
def test_an_expiry_long_ago_means_now(alice, house, clock, file, before):
    link = share(alice, file)

    narrowed = alice.patch(f"links/{link['id']}", expires_at=before)

    assert datetime.fromisoformat(narrowed.json()["expires_at"]).timestamp() == clock.now
    assert alice.get(f"links/{link['id']}").json()["live"] is False
    assert follow(house, link).status_code == 410


def test_a_narrowed_expiry_counts_though_the_url_says_another(alice, house, clock, file):
    link = share(alice, file, expires_in=600)
    soon = datetime.fromtimestamp(clock.now + 10, UTC).isoformat()
    alice.patch(f"links/{link['id']}", expires_at=soon)
    clock.advance(seconds=11)

    assert problem(follow(house, link)) == (410, "link_ended")
    assert problem(alice.patch(f"links/{link['id']}", uses=1)) == (410, "link_ended")


def test_a_link_is_there_for_its_maker_and_administrators_alone(alice, carol, bob, house, team):
    file = carol.upload(team, "plan.txt", TEN)
    link = share(carol, file)
    own = share(alice, file)
    path = f"links/{link['id']}"

    assert alice.get(path).status_code == 200  # she owns the workspace
    assert problem(carol.get(f"links/{own['id']}")) == (404, "link_not_found")
    assert problem(bob.get(path)) == (404, "link_not_found")
    assert problem(bob.delete(path)) == (404, "link_not_found")
    assert follow(house, link).status_code == 200


def test_links_are_listed_newest_first_and_by_what_narrows(alice, carol, clock, team):
    file = carol.upload(team, "plan.txt", TEN)
    links = []
    for _ in range(3):
        clock.advance(seconds=1)
        links.append(share(carol, file)["id"])
    share(alice, file)
    alice.delete(f"links/{links[0]}")

    def listed(person, **params):
        return [row["id"] for row in person.get("links", params=params).json()["data"]]

    assert listed(carol, direction="download") == links[::-1]
    assert listed(carol, workspace=team, resource=file["id"], live=True) == links[:0:-1]
    assert listed(carol, resource=file["id"], live=False) == [links[0]]
    assert len(listed(alice, workspace=team, resource=file["id"])) == 4
    page = carol.get("links", params={"direction": "download", "limit": 2}).json()
    rest = carol.get(
        "links", params={"direction": "download", "limit": 2, "cursor": page["next_cursor"]}
    ).json()
    assert [row["id"] for row in page["data"] + rest["data"]] == links[::-1]


def test_links_of_a_workspace_that_was_left_are_not_listed(alice, carol, team):
    share(carol, carol.upload(team, "plan.txt", TEN))
    alice.delete(f"workspaces/{team}/members/user_carol")

    assert carol.get("links").json()["data"] == []


def test_a_download_by_a_link_is_in_the_trail_with_the_link_as_credential(alice, house, file):
    link = share(alice, file)
    follow(house, link)
    alice.delete(f"links/{link['id']}")
    follow(house, link)

    denied, allowed = trail_of(alice, file["workspace_id"])

    assert (allowed["outcome"], denied["outcome"]) == ("allowed", "denied")
    assert denied["reason"] == "killed"
    for row in (allowed, denied):
        assert row["credential"] == {"type": "signed_link", "id": link["id"]}
        assert row["actor"]["id"] == "user_alice"
        assert row["resource"]["name"] == "ten.txt"


def test_a_password_is_asked_for_and_taken_by_header_or_form(alice, house, file):
    link = share(alice, file, password="open sesame")

    assert problem(follow(house, link)) == (403, "link_password_needed")
    wrong = follow(house, link, **{"Doorward-Link-Password": "x"})
    assert problem(wrong) == (403, "link_password_needed")
    assert follow(house, link, **{"Doorward-Link-Password": "open sesame"}).content == TEN
    assert house.client.post(link["url"], data={"password": "open sesame"}).content == TEN
    assert alice.get(f"links/{link['id']}").json()["password"] is True


def test_a_browser_gets_a_form_that_can_do_nothing_else(alice, house, file):
    link = share(alice, file, password="open sesame")

    page = follow(house, link, Accept="text/html,*/*")

    assert page.status_code == 403
    assert "<form method='post'>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    again = house.client.post(link["url"], data={"password": "x"}, headers={"Accept": "text/html"})
    assert "That is not the password." in again.text


def test_a_password_is_not_kept(alice, house, file):
    share(alice, file, password="open sesame")

    assert b"open sesame" not in (house.data / "doorward.db").read_bytes()
    for wal in house.data.glob("doorward.db-wal"):
        assert b"open sesame" not in wal.read_bytes()


def test_guessing_a_password_is_bounded_whoever_guesses(alice, house, clock, file):
    link = share(alice, file, password="open sesame", expires_in=3600)

    def tried(password, number):
        headers = {"Doorward-Link-Password": password, "User-Agent": f"agent {number}"}
        return follow(house, link, **headers)

    for number in range(10):
        assert tried("x", number).status_code == 403
    refused = tried("open sesame", 11)
    assert problem(refused) == (429, "link_password_tries")
    assert refused.headers["retry-after"] == "600"
    clock.advance(seconds=601)
    assert tried("open sesame", 12).status_code == 200


def test_a_right_password_costs_no_try(alice, house, file):
    link = share(alice, file, password="open sesame")

    for _ in range(12):
        answer = follow(house, link, **{"Doorward-Link-Password": "open sesame"})
        assert answer.status_code == 200


def test_a_download_under_way_ends_within_a_second_of_the_kill(alice, house):
    file = alice.upload(alice.home(), "big.bin", BIG)
    link = share(alice, file)

    received, seconds = house.cut_after_first(
        link["url"], lambda: alice.delete(f"links/{link['id']}")
    )

    assert 0 < received < len(BIG)
    assert seconds < 1
    row = alice.get(f"links/{link['id']}").json()
    assert row["bytes"] == received


def test_after_the_kill_was_answered_nothing_more_of_a_download_is_sent(alice, house):
    """However fast it goes: no moment passes in which it is not looked at."""
    file = alice.upload(alice.home(), "big.bin", BIG)
    link = share(alice, file)

    received, _ = house.cut_after_first(
        link["url"], lambda: alice.delete(f"links/{link['id']}"), wait_seconds=0
    )

    assert 0 < received < len(BIG)


def test_a_download_goes_on_while_others_change_what_it_was_judged_by(alice, house):
    file = alice.upload(alice.home(), "big.bin", BIG)
    link = share(alice, file)

    received, _ = house.cut_after_first(
        link["url"], lambda: alice.patch(f"links/{link['id']}", uses=9), wait_seconds=0
    )

    assert received == len(BIG)


def test_a_download_under_way_outlives_the_links_expiry(alice, house, clock):
    file = alice.upload(alice.home(), "big.bin", BIG)
    link = share(alice, file)

    received, _ = house.cut_after_first(
        link["url"], lambda: clock.advance(seconds=3600), wait_seconds=1.0
    )

    assert received == len(BIG)


def test_a_download_under_way_ends_with_the_membership(alice, carol, house, team):
    file = carol.upload(team, "big.bin", BIG)
    url = f"/api/v1/files/{file['id']}/content"
    headers = [(b"authorization", f"Bearer {carol.token()}".encode())]

    received, seconds = house.cut_after_first(
        url, lambda: alice.delete(f"workspaces/{team}/members/user_carol"), headers=headers
    )

    assert 0 < received < len(BIG)
    assert seconds < 1


def test_an_upload_url_is_a_link_that_is_counted_and_killed(alice, house):
    declared = alice.declare(alice.home(), "a.txt", 3).json()
    link = alice.get("links", params={"resource": declared["id"]}).json()["data"][0]
    assert (link["direction"], link["uses"]) == ("upload", 0)
    house.send(declared["url"], b"12")  # too few
    assert alice.get(f"links/{link['id']}").json()["uses"] == 1

    second = alice.declare(alice.home(), "b.txt", 3).json()
    (row,) = alice.get("links", params={"resource": second["id"]}).json()["data"]
    alice.delete(f"links/{row['id']}")

    assert problem(house.send(second["url"], b"123")) == (410, "link_ended")
    renewed = alice.post(f"uploads/{second['id']}/renew").json()
    assert house.send(renewed["url"], b"123").status_code == 201
    assert problem(house.send(second["url"], b"123")) == (410, "link_ended")


def test_an_upload_link_counts_its_bytes_and_keeps_to_its_bounds(alice, house):
    declared = alice.declare(alice.home(), "a.txt", 3).json()
    (row,) = alice.get("links", params={"resource": declared["id"]}).json()["data"]
    alice.patch(f"links/{row['id']}", bytes=2)

    assert problem(house.send(declared["url"], b"123")) == (410, "link_ended")

    assert alice.get(f"uploads/{declared['id']}").json()["status"] == "pending"
    renewed = alice.post(f"uploads/{declared['id']}/renew").json()
    assert house.send(renewed["url"], b"123").status_code == 201
    kept = alice.get(f"links/{row['id']}").json()
    assert kept["bytes"] == 3  # what was stored by it stays, and counts


def test_an_upload_under_way_ends_within_a_second_of_the_kill(alice, house):
    declared = alice.declare(alice.home(), "a.txt", 6).json()
    (row,) = alice.get("links", params={"resource": declared["id"]}).json()["data"]

    answer = house.send_and_stall(
        declared["url"], b"123", lambda: alice.delete(f"links/{row['id']}")
    )

    assert problem(answer) == (410, "link_ended")
    assert alice.get(f"uploads/{declared['id']}").json()["received_bytes"] == 0  # as last noted


def test_whoever_takes_hold_of_an_upload_to_ask_for_its_offset_spends_no_use(alice, house):
    upload = alice.declare(alice.home(), "a.txt", 3).json()["id"]
    (row,) = alice.get("links", params={"resource": upload}).json()["data"]
    alice.patch(f"links/{row['id']}", uses=1)
    from_ = Caller("", Credential(SIGNED_LINK, row["id"]), Origin("req"))

    def hold(*, sends):
        return house.client.portal.call(
            house.store().write, lambda tx: hold_upload(tx, upload, from_, sends=sends)
        )

    hold(sends=False)
    hold(sends=False)
    assert alice.get(f"links/{row['id']}").json()["uses"] == 0
    hold(sends=True)
    assert alice.get(f"links/{row['id']}").json()["uses"] == 1
    with pytest.raises(LinkEnded):
        hold(sends=True)
    assert hold(sends=False).taken_over


def test_links_are_forgotten_a_month_after_they_end(alice, house, clock, file):
    link = share(alice, file, uses=1)
    follow(house, link)
    clock.advance(seconds=29 * 86_400)
    house.sweep()
    assert alice.get(f"links/{link['id']}").status_code == 200
    clock.advance(seconds=2 * 86_400)
    house.sweep()

    assert problem(alice.get(f"links/{link['id']}")) == (404, "link_not_found")
    assert asyncio.run(house.store().read(lambda tx: tx.links.use_of(link["id"], "", 0))) is None
