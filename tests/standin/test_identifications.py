import pytest


@pytest.fixture
def alice(standin):
    return standin.sign_in("alice").user_id


@pytest.fixture
def emails(api, alice):
    """Alice's addresses, the primary one first."""

    def call():
        user = api("GET", f"/v1/users/{alice}")
        found = [one["email_address"] for one in user["email_addresses"]]
        assert user["primary_email_address_id"] == (
            user["email_addresses"][0]["id"] if found else None
        )
        return found

    return call


def add(api, alice, address, **more):
    body = {"user_id": alice, "email_address": address} | more
    return api("POST", "/v1/email_addresses", body)["id"]


def test_a_user_has_one_more_address_which_is_not_the_primary_one(api, alice, emails):
    made = add(api, alice, "a@example.com")

    assert emails() == ["alice@example.com", "a@example.com"]
    assert api("GET", f"/v1/email_addresses/{made}")["email_address"] == "a@example.com"


def test_an_address_becomes_the_primary_one(api, alice, emails):
    add(api, alice, "a@example.com", primary=True)
    second = add(api, alice, "b@example.com", verified=True)
    assert emails() == ["a@example.com", "alice@example.com", "b@example.com"]

    api("PATCH", f"/v1/email_addresses/{second}", {"primary": True})

    assert emails()[0] == "b@example.com"


def test_without_the_primary_address_the_next_one_is_it(api, alice, emails):
    made = add(api, alice, "a@example.com", primary=True)

    assert api("DELETE", f"/v1/email_addresses/{made}")["deleted"]

    assert emails() == ["alice@example.com"]
    add(api, alice, "a@example.com")  # is free again


def test_an_address_of_somebody_else_is_taken(standin, refused, alice):
    standin.sign_in("bob")
    body = {"user_id": alice, "email_address": "bob@example.com"}

    assert refused("POST", "/v1/email_addresses", body) == (422, "form_identifier_exists")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("email_addresses", {"email_address": "nothing"}, "form_param_invalid"),
        ("email_addresses", {}, "form_param_missing"),
        ("email_addresses", {"email_address": "a@b.c", "verified": False}, "form_param_invalid"),
        ("email_addresses", {"email_address": "a@b.c", "other": 1}, "form_param_unknown"),
        ("phone_numbers", {"phone_number": "5"}, "form_param_invalid"),
        (
            "phone_numbers",
            {"phone_number": "+15550100", "reserved_for_second_factor": True},
            "form_param_invalid",
        ),
    ],
)
def test_what_can_not_be_so_is_refused_and_nothing_changed(
    refused, alice, emails, path, body, code
):
    assert refused("POST", f"/v1/{path}", {"user_id": alice} | body) == (422, code)
    assert emails() == ["alice@example.com"]


def test_a_phone_number_is_made_and_taken_away(api, refused, alice):
    body = {"user_id": alice, "phone_number": "+15550100"}
    made = api("POST", "/v1/phone_numbers", body)
    assert api("GET", f"/v1/users/{alice}")["primary_phone_number_id"] == made["id"]

    assert api("DELETE", f"/v1/phone_numbers/{made['id']}")["object"] == "phone_number"

    gone = refused("GET", f"/v1/phone_numbers/{made['id']}")
    assert gone == (404, "resource_not_found")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_number_is_no_address(api, refused, alice, method):
    made = api("POST", "/v1/phone_numbers", {"user_id": alice, "phone_number": "+15550100"})

    path = f"/v1/email_addresses/{made['id']}"
    assert refused(method, path, None) == (404, "resource_not_found")
