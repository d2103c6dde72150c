"""clerk-backend-api from PyPI, unmodified, over the stand-in: ``server_url`` is all it is told."""

import asyncio
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import pytest
from clerk_backend_api import Clerk
from clerk_backend_api.models import ClerkErrors
from clerk_backend_api.security import (
    AuthenticateRequestOptions,
    TokenVerificationError,
    TokenVerificationErrorReason,
    VerifyTokenOptions,
    verify_token,
    verify_token_async,
)

NUMBERS = count(1)

# The SDK warns of fields of its own that it reads itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*DEPRECATED:DeprecationWarning")


@pytest.fixture(scope="module")
def clerk(dev) -> Iterator[Clerk]:
    with Clerk(bearer_auth=dev.standin.secret_key, server_url=f"{dev.url}/v1") as client:
        yield client


@pytest.fixture
def carol(clerk):
    number = next(NUMBERS)
    return clerk.users.create(
        email_address=[f"carol.py{number}@example.com"],
        username=f"carol_py{number}",
        first_name="Carol",
        public_metadata={"plan": "free", "seats": {"used": 1}},
    )


@pytest.fixture
def office(clerk, carol):
    slug = f"office-py-{next(NUMBERS)}"
    return clerk.organizations.create(
        request={"name": "Office", "slug": slug, "created_by": carol.id}
    )


def request(token=None, **headers):
    """What the SDK needs of a request: its headers."""
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return SimpleNamespace(headers=bearer | headers)


def refusal(call, **arguments):
    with pytest.raises(ClerkErrors) as refused:
        call(**arguments)
    return refused.value.data.errors[0].code


def test_a_user_is_read_found_and_counted(clerk, carol):
    address = carol.email_addresses[0].email_address

    assert clerk.users.get(user_id=carol.id) == carol
    assert [one.id for one in clerk.users.list(request={"email_address": [address]})] == [carol.id]
    assert [one.id for one in clerk.users.list(request={"query": address})] == [carol.id]
    assert clerk.users.count(request={"username": [carol.username]}).total_count == 1


def test_a_user_and_its_metadata_are_changed(clerk, carol):
    changed = clerk.users.update(user_id=carol.id, last_name="Karlsen")
    merged = clerk.users.update_metadata(
        user_id=carol.id, public_metadata={"plan": None, "seats": {"free": 2}}
    )
    replaced = clerk.users.replace_metadata(user_id=carol.id, public_metadata={"plan": "pro"})

    assert (changed.first_name, changed.last_name) == ("Carol", "Karlsen")
    assert merged.public_metadata == {"seats": {"used": 1, "free": 2}}
    assert replaced.public_metadata == {"plan": "pro"}


def test_a_ban_a_lock_and_their_end_are_shown(clerk, carol):
    users = clerk.users

    assert users.ban(user_id=carol.id).banned
    assert not users.unban(user_id=carol.id).banned
    assert users.lock(user_id=carol.id).locked
    assert not users.unlock(user_id=carol.id).locked
    assert [one.banned for one in users.bulk_ban(user_ids=[carol.id])] == [True]
    assert [one.banned for one in users.bulk_unban(user_ids=[carol.id])] == [False]


def test_a_deleted_user_is_not_found(clerk, carol):
    assert clerk.users.delete(user_id=carol.id).deleted

    assert refusal(clerk.users.get, user_id=carol.id) == "resource_not_found"


def test_an_address_and_a_number_are_added_and_taken_away(clerk, carol):
    addresses, numbers = clerk.email_addresses, clerk.phone_numbers
    made = addresses.create(
        request={"user_id": carol.id, "email_address": "new.py@example.com", "primary": True}
    )
    number = numbers.create(request={"user_id": carol.id, "phone_number": "+15550123"})
    found = clerk.users.get(user_id=carol.id)
    assert found.primary_email_address_id == addresses.get(email_address_id=made.id).id
    assert found.primary_phone_number_id == number.id

    assert addresses.delete(email_address_id=made.id).deleted
    assert numbers.delete(phone_number_id=number.id).deleted

    assert clerk.users.get(user_id=carol.id).email_addresses == carol.email_addresses


def test_an_address_that_somebody_has_is_taken(clerk, carol):
    taken = [carol.email_addresses[0].email_address]

    assert refusal(clerk.users.create, email_address=taken) == "form_identifier_exists"


def test_a_session_begins_gives_tokens_and_ends(clerk, carol, standin):
    session = clerk.sessions.create(request={"user_id": carol.id})
    assert [one.id for one in clerk.sessions.list(user_id=carol.id)] == [session.id]
    token = clerk.sessions.create_token(session_id=session.id, expires_in_seconds=600).jwt

    claims = verify_token(token, VerifyTokenOptions(jwt_key=standin.public_key_pem))
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (carol.id, 600)
    assert clerk.sessions.create_token_from_template(
        session_id=session.id, template_name="hasura"
    ).jwt

    assert clerk.sessions.revoke(session_id=session.id).status == "revoked"
    assert clerk.sessions.get(session_id=session.id).status == "revoked"
    assert refusal(clerk.sessions.create_token, session_id=session.id) == "resource_not_found"


def test_an_organization_its_members_and_its_invitations(clerk, carol, office, standin):
    dave = standin.sign_in("dave_py").user_id
    at = {"organization_id": office.id}
    members = clerk.organization_memberships

    assert clerk.organizations.get(organization_id=office.slug).id == office.id
    assert [one.id for one in clerk.organizations.list(user_id=[carol.id]).data] == [office.id]
    members.create(**at, user_id=dave, role="org:member")
    assert members.update(**at, user_id=dave, role="org:admin").role == "org:admin"
    changed = members.update_metadata(**at, user_id=dave, public_metadata={"desk": 5})
    assert changed.public_metadata == {"desk": 5}
    assert {one.public_user_data.user_id for one in members.list(**at).data} == {carol.id, dave}
    assert clerk.users.get_organization_memberships(user_id=dave).total_count == 1
    members.delete(**at, user_id=dave)
    assert members.list(**at).total_count == 1

    invitations = clerk.organization_invitations
    made = invitations.create(**at, email_address="erin.py@example.com", role="org:member")
    assert [one.id for one in invitations.list(**at, status="pending").data] == [made.id]
    assert made.id in [one.id for one in invitations.get_all().data]
    assert invitations.revoke(**at, invitation_id=made.id).status == "revoked"

    clerk.organizations.update(organization_id=office.id, name="Bureau")
    clerk.organizations.merge_metadata(**at, public_metadata={"floor": 3})
    found = clerk.organizations.get(organization_id=office.id)
    assert (found.name, found.public_metadata) == ("Bureau", {"floor": 3})
    assert clerk.organizations.delete(organization_id=office.id).deleted


def test_an_api_key_lives_from_create_to_revoke(clerk, carol):
    keys = clerk.api_keys
    made = keys.create_api_key(name="deploy", subject=carol.id, scopes=["notes:read"])

    assert keys.verify_api_key(secret=made.secret).subject == carol.id
    assert [one.id for one in keys.get_api_keys(subject=carol.id).data] == [made.id]
    assert keys.get_api_key_secret(api_key_id=made.id).secret == made.secret
    assert keys.revoke_api_key(api_key_id=made.id).revoked
    with pytest.raises(Exception, match="resource_not_found"):
        keys.verify_api_key(secret=made.secret)


def test_a_machine_makes_tokens_with_its_own_secret(clerk, dev):
    machine = clerk.machines.create(request={"name": "worker"})
    secret = clerk.machines.get_secret_key(machine_id=machine.id).secret
    with Clerk(bearer_auth=secret, server_url=f"{dev.url}/v1") as own:
        made = own.m2m.create_token(seconds_until_expiration=600)
        jwt = own.m2m.create_token(token_format="jwt")

    assert clerk.m2m.verify_token(token=made.token).subject == machine.id
    assert [one.id for one in clerk.m2m.list_tokens(subject=machine.id).m2m_tokens] == [made.id]
    assert clerk.m2m.revoke_token(m2m_token_id=made.id).revoked
    assert jwt.token.count(".") == 2


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_an_oauth_token_says_whose_it_is(clerk, standin, form):
    token = standin.create_oauth_token("alice", token_format=form)["access_token"]

    assert clerk.oauth_access_tokens.verify(access_token=token).subject == "user_alice"


def test_the_keys_are_the_stand_ins(clerk, standin):
    assert clerk.jwks.get_jwks().keys[0].kid == standin.kid


@pytest.mark.parametrize("version", [1, 2])
def test_a_request_carries_user_organization_and_permissions(clerk, standin, version):
    token = standin.mint(
        "alice", org="acme", role="admin", permissions=["org:files:share"], version=version
    )

    state = clerk.authenticate_request(
        request(token), AuthenticateRequestOptions(jwt_key=standin.public_key_pem)
    )

    assert state.is_signed_in
    assert (state.payload["sub"], state.payload["org_id"]) == ("user_alice", "org_acme")
    assert state.payload["org_permissions"] == ["org:files:share"]


def test_a_request_by_cookie_is_signed_in(clerk, standin):
    cookie = f"__session={standin.mint('alice')}; __client_uat=1"
    options = AuthenticateRequestOptions(jwt_key=standin.public_key_pem)

    assert clerk.authenticate_request(request(cookie=cookie), options).is_signed_in


@pytest.mark.parametrize(
    "token",
    [
        lambda standin, _: standin.mint("alice", ttl=-60),
        lambda standin, _: standin.mint("alice", azp="http://127.0.0.1:9999"),
        lambda _, stranger: stranger.mint("alice", ttl=10**9),
        lambda *_: None,
    ],
    ids=["expired", "another party", "another key", "nobody"],
)
def test_a_request_that_may_not_be_trusted_is_signed_out(clerk, standin, stranger, token):
    options = AuthenticateRequestOptions(
        jwt_key=standin.public_key_pem, authorized_parties=["http://127.0.0.1:8040"]
    )

    assert not clerk.authenticate_request(request(token(standin, stranger)), options).is_signed_in


def verified_remotely(dev, token):
    """What the SDK makes of a token by asking; its waiting form leaves a connection open."""
    options = VerifyTokenOptions(secret_key=dev.standin.secret_key, api_url=dev.url)
    return asyncio.run(verify_token_async(token, options))


def test_a_session_token_is_verified_over_the_stand_ins_jwks(dev, standin):
    assert verified_remotely(dev, standin.mint("alice"))["sub"] == "user_alice"


def test_opaque_credentials_are_verified_by_asking(dev, standin):
    machine = standin.create_machine("worker")["id"]
    tokens = {
        standin.create_api_key("alice")["secret"]: "user_alice",
        standin.create_oauth_token("alice")["access_token"]: "user_alice",
        standin.create_machine_token(machine)["token"]: machine,
    }

    assert {token: verified_remotely(dev, token)["subject"] for token in tokens} == tokens


@pytest.mark.parametrize("made_up", ["ak_made_up", "oat_made_up", "mt_made_up"])
def test_a_credential_that_nobody_made_is_refused(dev, made_up):
    with pytest.raises(TokenVerificationError) as refused:
        verified_remotely(dev, made_up)

    assert refused.value.reason is TokenVerificationErrorReason.TOKEN_INVALID
