"""Whoever holds a little never gets more out of it: attacks that come to nothing."""

import pytest

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
