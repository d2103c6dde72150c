import json
import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.standin import Refused, Standin
from doorward.standin.app import ROUTES
from doorward.standin.metadata import BYTES_MAX, merged
from support import NOON


def test_whoever_signs_in_is_a_user_from_then_on(standin, api):
    standin.sign_in("alice")

    alice = api("GET", "/v1/users/user_alice")

    (email,) = alice["email_addresses"]
    assert (alice["first_name"], email["email_address"]) == ("Alice", "alice@example.com")
    assert email["verification"]["status"] == "verified"
    assert alice["primary_email_address_id"] == email["id"]
    assert (alice["created_at"], alice["last_sign_in_at"]) == (NOON * 1000, NOON * 1000)
    assert not alice["banned"] | alice["locked"]


def test_signing_in_again_makes_nobody_new(standin, api):
    for name in ("alice", "user_alice", "alice"):
        standin.sign_in(name)

    assert api("GET", "/v1/users/count") == {"object": "total_count", "total_count": 1}


def test_a_user_is_made_with_what_clerk_takes(api):
    made = api(
        "POST",
        "/v1/users",
        {
            "external_id": "42",
            "username": "ada",
            "first_name": "Ada",
            "last_name": "L",
            "email_address": ["ada@example.org", "ada@home.example"],
            "phone_number": ["+15550100"],
            "password": "not-kept-anywhere",
            "public_metadata": {"plan": "gold"},
            "locale": "en-GB",
            "legal_accepted_at": "2026-01-31T12:00:00Z",
            "created_at": "2026-01-31T12:00:00+01:00",
            "skip_password_checks": True,
        },
    )

    assert made["id"].startswith("user_")
    assert [one["email_address"] for one in made["email_addresses"]] == [
        "ada@example.org",
        "ada@home.example",
    ]
    assert made["phone_numbers"][0]["phone_number"] == "+15550100"
    assert (made["external_id"], made["username"], made["locale"]) == ("42", "ada", "en-GB")
    assert made["public_metadata"] == {"plan": "gold"}
    assert made["password_enabled"]
    assert made["legal_accepted_at"] - made["created_at"] == 3600_000
    assert made == api("GET", f"/v1/users/{made['id']}")


def test_a_user_who_was_made_signs_in_by_id_or_username(standin):
    ada = standin.create_user(username="ada")["id"]

    assert standin.sign_in("ada").user_id == standin.sign_in(ada).user_id == ada


def test_no_two_users_have_one_address_name_or_external_id(api, refused):
    given = {"email_address": ["a@b.example"], "username": "ada", "external_id": "42"}
    api("POST", "/v1/users", given)

    for name, value in given.items():
        again = [value[0].upper()] if name == "email_address" else value
        body = {name: again}
        assert refused("POST", "/v1/users", body) == (422, "form_identifier_exists")
    assert api("GET", "/v1/users/count")["total_count"] == 1


def test_a_change_touches_what_is_given_and_no_more(standin, api, clock):
    standin.sign_in("alice")
    clock.advance(seconds=5)

    changed = api("PATCH", "/v1/users/user_alice", {"last_name": "Liddell", "locale": "en"})

    assert (changed["first_name"], changed["last_name"]) == ("Alice", "Liddell")
    assert (changed["created_at"], changed["updated_at"]) == (NOON * 1000, (NOON + 5) * 1000)
    assert api("PATCH", "/v1/users/user_alice", {"last_name": None})["last_name"] is None


def test_another_address_becomes_the_primary_one(api):
    made = api("POST", "/v1/users", {"email_address": ["a@b.example", "c@d.example"]})
    second = made["email_addresses"][1]["id"]

    body = {"primary_email_address_id": second}
    assert api("PATCH", f"/v1/users/{made['id']}", body)["primary_email_address_id"] == second


def test_metadata_is_merged_deep_or_replaced_whole(standin, api):
    standin.sign_in("alice")
    path = "/v1/users/user_alice/metadata"
    api("PATCH", path, {"public_metadata": {"a": {"b": 1, "c": 2}}, "private_metadata": {"x": 1}})

    merged_one = api("PATCH", path, {"public_metadata": {"a": {"b": None, "d": 3}}})
    replaced = api("PUT", path, {"public_metadata": {"only": True}})

    assert merged_one["public_metadata"] == {"a": {"c": 2, "d": 3}}
    assert replaced["public_metadata"] == {"only": True}
    assert replaced["private_metadata"] == {"x": 1}


def test_metadata_has_its_own_call_from_the_newest_version_on(standin, api, refused):
    standin.sign_in("alice")
    body = {"public_metadata": {"a": 1}}

    assert api("PATCH", "/v1/users/user_alice", body)["public_metadata"] == {"a": 1}
    newest = {"headers": {"Clerk-API-Version": "2026-05-12"}}
    assert refused("PATCH", "/v1/users/user_alice", body, **newest) == (422, "form_param_unknown")


def test_metadata_has_a_limit(standin, refused):
    standin.sign_in("alice")

    body = {"public_metadata": {"a": "x" * BYTES_MAX}}
    code = (422, "form_param_exceeds_allowed_size")
    assert refused("PATCH", "/v1/users/user_alice/metadata", body) == code


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=3), values, max_size=5)


def without_nulls(value):
    """What is left of metadata when every null in an object has taken its key away."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(one) for key, one in value.items() if one is not None}


@given(objects, objects)
def test_merging_keeps_gives_and_takes_key_by_key(old, new):
    old = without_nulls(old)

    result = merged(old, new)

    assert result.keys() == (old.keys() | new.keys()) - {k for k, v in new.items() if v is None}
    for key, value in result.items():
        if key not in new:
            assert value == old[key]
        elif isinstance(new[key], dict) and isinstance(old.get(key), dict):
            assert value == merged(old[key], new[key])
        else:
            assert value == without_nulls(new[key])
    assert merged(result, new) == result
    assert merged(old, {}) == old


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email_address=bob@example.com", ["user_bob"]),
        ("email_address=BOB@example.com&email_address=eve@example.com", ["user_bob", "user_eve"]),
        ("user_id=user_eve&user_id=user_none", ["user_eve"]),
        ("username=ada", ["ada"]),
        ("external_id=42", ["ada"]),
        ("query=ob", ["user_bob"]),
        ("query=LOVELACE", ["ada"]),
        ("organization_id=org_acme", ["user_eve"]),
        ("banned=true", ["user_bob"]),
        ("phone_number=%2B15550100", ["ada"]),
        ("limit=2&order_by=%2Bcreated_at", ["user_bob", "user_eve"]),
        ("limit=1&order_by=+created_at&offset=1", ["user_eve"]),
        ("limit=1", ["ada"]),
        ("query=%27%22%25", []),
        ("name_query=lace", ["ada"]),
        ("username_query=AD", ["ada"]),
        ("email_address_query=eve@", ["user_eve"]),
        ("phone_number_query=5550", ["ada"]),
        ("created_at_before=1790000001000", ["user_bob"]),
        ("created_at_after=1790000000000&last_active_at_since=0", ["user_eve"]),
        ("last_sign_in_at_before=1790000000500", ["user_bob"]),
        ("limit=2&order_by=email_address&email_address_query=e", ["user_bob", "user_eve"]),
        ("limit=1&order_by=-last_active_at", ["user_eve"]),
    ],
)
def test_users_are_found_by(standin, api, clock, query, found):
    standin.sign_in("bob")
    clock.advance(seconds=1)
    standin.sign_in("eve", org="acme")
    clock.advance(seconds=1)
    made = standin.create_user(
        username="ada", external_id="42", last_name="Lovelace", phone_number=["+15550100"]
    )
    standin.ban("bob")

    rows = api("GET", f"/v1/users?{query}")

    names = {made["id"]: "ada"}
    assert sorted(names.get(row["id"], row["id"]) for row in rows) == sorted(found)
    whole = query.split("limit")[0]
    assert "limit" in query or api("GET", f"/v1/users/count?{whole}")["total_count"] == len(found)


def test_a_ban_ends_every_session_and_lets_nobody_in(standin, api):
    first, second = standin.sign_in("alice"), standin.sign_in("alice")
    other = standin.sign_in("bob")

    assert api("POST", "/v1/users/user_alice/ban")["banned"]

    assert [standin.session(one.id).status for one in (first, second)] == ["revoked"] * 2
    assert standin.session(other.id).status == "active"
    with pytest.raises(Refused) as refusal:
        standin.sign_in("alice")
    assert refusal.value.code == "user_banned"
    assert not api("POST", "/v1/users/user_alice/unban")["banned"]
    assert standin.sign_in("alice")


def test_a_lock_lets_nobody_in_for_an_hour(standin, api, clock):
    session = standin.sign_in("alice")

    locked = api("POST", "/v1/users/user_alice/lock")

    assert (locked["locked"], locked["lockout_expires_in_seconds"]) == (True, 3600)
    assert standin.session(session.id).status == "active"
    with pytest.raises(Refused):
        standin.sign_in("alice")
    clock.advance(seconds=3600)
    assert not api("GET", "/v1/users/user_alice")["locked"]
    assert standin.sign_in("alice")
    api("POST", "/v1/users/user_alice/lock")
    assert not api("POST", "/v1/users/user_alice/unlock")["locked"]
    assert standin.sign_in("alice")


def test_several_users_are_banned_at_once_or_none_is(standin, api, refused):
    for name in ("alice", "bob"):
        standin.sign_in(name)

    unknown = {"user_ids": ["user_alice", "user_none"]}
    assert refused("POST", "/v1/users/ban", unknown) == (404, "resource_not_found")
    assert not standin.user("alice")["banned"]
    banned = api("POST", "/v1/users/ban", {"user_ids": ["user_alice", "user_bob"]})
    assert [one["banned"] for one in banned] == [True, True]
    banned = api("POST", "/v1/users/unban", {"user_ids": ["user_alice"]})
    assert [one["banned"] for one in banned] == [False]


def test_a_deleted_user_leaves_nothing_behind(standin, api, refused):
    session = standin.sign_in("alice", org="acme")

    gone = api("DELETE", "/v1/users/user_alice")

    assert gone == {"object": "user", "id": "user_alice", "deleted": True}
    assert standin.session(session.id).status == "revoked"
    assert api("GET", "/v1/organizations/acme/memberships")["total_count"] == 0
    assert refused("GET", "/v1/users/user_alice") == (404, "resource_not_found")
    assert refused("DELETE", "/v1/users/user_alice") == (404, "resource_not_found")
    standin.sign_in("alice")
    assert standin.user("alice")["email_addresses"][0]["email_address"] == "alice@example.com"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email_address": "a@b.example"}, "form_param_invalid"),
        ({"email_address": ["no address"]}, "form_param_invalid"),
        ({"phone_number": ["12"]}, "form_param_invalid"),
        ({"first_name": 5}, "form_param_invalid"),
        ({"first_name": "x" * 513}, "form_param_invalid"),
        ({"first_name": "\0"}, "form_param_invalid"),
        ({"public_metadata": []}, "form_param_invalid"),
        ({"delete_self_enabled": "yes"}, "form_param_invalid"),
        ({"create_organizations_limit": -1}, "form_param_invalid"),
        ({"create_organizations_limit": 1.5}, "form_param_invalid"),
        ({"created_at": "yesterday"}, "form_param_invalid"),
        ({"legal_accepted_at": "0000-01-01T00:00:00Z"}, "form_param_invalid"),
        ({"web3_wallet": "0x"}, "form_param_unknown"),
    ],
)
def test_a_parameter_of_another_form_is_named(ask, body, code):
    answer = ask("POST", "/v1/users", body)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (422, code)
    assert error["meta"]["param_name"] in body


def test_a_filter_that_there_is_not_is_refused_rather_than_passed_over(refused):
    """Guards a clean-up script: with every user in place of those it meant it would delete all."""
    for path in ("/v1/users", "/v1/users/count", "/v1/sessions"):
        code = refused("GET", f"{path}?inactive_since=1")
        assert code == (422, "form_param_unknown")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "offset=-1", "order_by=banned", "banned=1"]
)
def test_a_query_of_another_form_is_refused(refused, query):
    assert refused("GET", f"/v1/users?{query}") == (422, "form_param_invalid")


HOSTILE = [
    b"\xff",
    b"null",
    b"[]",
    b"5",
    b'{"first_name": "\\ud800"}',
    b'{"public_metadata": {"a": NaN}}',
    b'{"public_metadata": {"a": 1e999}}',
    b'{"public_metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
    b'{"public_metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    b'{"expires_in_seconds": 1' + b"0" * 5000 + b"}",
    b"[" * 60000,
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_a_hostile_body_is_refused_and_never_raises(standin, http, route):
    session = standin.sign_in("alice", org="acme")
    names = {"user_id": "user_alice", "org_id": "org_acme", "session_id": session.id}
    path = route.template.replace("/?", "/")
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    headers = {"Authorization": f"Bearer {standin.secret_key}"}
    for body in HOSTILE if route.method != "GET" else []:
        answer = http.request(route.method, path, content=body, headers=headers)
        assert answer.status_code < 500
        assert answer.status_code >= 400 or not reads_a_body(route)
    for query in ("limit=%FF", "a&" * 500, "order_by=%00", "user_id=%ED%A0%80"):
        assert http.request(route.method, f"{path}?{query}", headers=headers).status_code < 500


def reads_a_body(route):
    without = ("ban", "lock", "revoke", "sign-out")
    return route.method not in {"GET", "DELETE", "OPTIONS"} and not route.template.endswith(without)


def add_users(folder, names):
    standin = Standin.open(folder)
    for name in names:
        standin.sign_in(name, org="acme")


def test_processes_that_share_a_folder_see_each_others_users(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    standin = Standin.open(tmp_path / "standin")
    adding = [
        spawn.Process(target=add_users, args=(standin.folder, [f"p{n}_{i}" for i in range(20)]))
        for n in range(3)
    ]
    for process in adding:
        process.start()
    for process in adding:
        process.join(timeout=60)

    assert [process.exitcode for process in adding] == [0, 0, 0]
    assert standin.user("p2_19")["first_name"] == "P2_19"
    shown = standin.read().count("SELECT count(*) FROM memberships WHERE org_id = 'org_acme'")
    assert shown == 60


def test_what_is_shown_is_json_as_it_was_given(standin, api):
    standin.sign_in("alice")
    given = {"text": "ünï", "half": "\ud800", "list": [1, None, {"a": None}], "big": 2**70}

    body = json.dumps({"private_metadata": given})
    assert (
        api("PUT", "/v1/users/user_alice/metadata", json.loads(body))["private_metadata"] == given
    )
