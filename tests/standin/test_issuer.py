import multiprocessing
import subprocess
import sys
from base64 import b64decode

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from doorward.clerk.claims import Claims
from doorward.clerk.keys import read_jwk, read_pem
from doorward.identity.principal import Principal
from doorward.standin import Standin
from doorward.standin.revocations import StandinRevocations
from support import NOON


def payload(token) -> Claims:
    import base64
    import json

    part = token.split(".")[1]
    return Claims(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def open_and_tell(folder, told):
    standin = Standin.open(folder)
    told.put((standin.kid, standin.secret_key, standin.public_key_pem))


def test_processes_that_open_a_new_folder_at_once_agree_on_its_keys(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    opening = [spawn.Process(target=open_and_tell, args=(tmp_path / "new", told)) for _ in range(4)]
    for process in opening:
        process.start()
    agreed = {told.get(timeout=60) for _ in opening}
    for process in opening:
        process.join()

    assert len(agreed) == 1
    assert sorted(p.name for p in (tmp_path / "new").iterdir() if p.name.startswith(".")) == []


def test_the_keys_are_for_this_user_alone(tmp_path):
    Standin.open(tmp_path / "new")

    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    for name in ("key.pem", "secret_key"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == 0


def test_the_published_key_is_the_one_that_signs(issuer):
    assert load_pem_public_key(issuer.public_key_pem.encode()).key_size == 2048
    published = read_jwk(issuer.jwks()["keys"][0])
    assert published.fingerprint == read_pem(issuer.public_key_pem).fingerprint
    assert issuer.jwks()["keys"][0]["kid"] == issuer.kid


def test_a_token_has_the_shape_of_clerks(issuer):
    claims = payload(issuer.mint("alice", org="acme", role="admin", ttl=30))

    assert claims["sub"] == "user_alice"
    assert claims["sid"].startswith("sess_")
    assert (claims["iat"], claims["exp"], claims["nbf"]) == (NOON, NOON + 30, NOON - 10)
    assert claims["v"] == 2
    assert claims["o"] == {"id": "org_acme", "slg": "acme", "rol": "admin"}
    assert claims["azp"] == "http://127.0.0.1:8040"
    assert "azp" not in payload(issuer.mint("user_bob", azp=None))


def test_claims_that_are_given_go_over_all_others(issuer):
    claims = payload(issuer.mint("alice", claims={"sub": 5, "can_upload": True}))

    assert (claims["sub"], claims["can_upload"]) == (5, True)


names = st.text(alphabet="abcdef", min_size=1, max_size=5)


@given(st.lists(st.tuples(names, names), max_size=6, unique=True), st.sampled_from([1, 2]))
def test_permissions_come_out_of_either_version_as_they_went_in(issuer, pairs, version):
    permissions = [f"org:{feature}:{name}" for feature, name in pairs]

    token = issuer.mint("alice", org="acme", permissions=permissions, version=version)

    organization = payload(token).organization
    assert (organization.id, organization.role) == ("org_acme", "org:member")
    assert set(organization.permissions) == set(permissions)


def test_a_person_without_an_organization_has_none_in_either_version(issuer):
    for version in (1, 2):
        assert payload(issuer.mint("alice", version=version)).organization is None


def test_a_revocation_in_one_process_is_seen_at_once_in_another(tmp_path):
    standin = Standin.open(tmp_path / "standin")
    revocations = StandinRevocations(tmp_path / "standin")
    claims = payload(standin.mint("alice"))
    who = Principal("user_alice", claims["sid"])
    assert not revocations.revoked(who)

    subprocess.run(
        [sys.executable, "-m", "doorward", "dev", "revoke", claims["sid"], "--data", tmp_path],
        check=True,
        capture_output=True,
    )

    assert revocations.revoked(who)
    assert not revocations.session_revoked("sess_other")
    assert standin.session(claims["sid"]).status == "revoked"
    assert not standin.revoke("sess_unknown")


def test_secrets_are_read_and_written_by_their_user_alone(standin):
    modes = {
        name: (standin.folder / name).stat().st_mode & 0o777 for name in ("key.pem", "secret_key")
    }

    assert modes == {"key.pem": 0o600, "secret_key": 0o600}
    assert standin.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_opened_again_keeps_its_secrets_and_sessions(standin, clock):
    session = standin.sign_in("alice", org="acme", permissions=["org:files:share"])

    again = Standin.open(standin.folder, clock=clock)

    assert (again.kid, again.secret_key) == (standin.kid, standin.secret_key)
    assert again.public_key_pem == standin.public_key_pem
    assert again.session(session.id) == session


def test_two_folders_share_no_secret(issuer, stranger):
    assert issuer.kid != stranger.kid
    assert issuer.secret_key != stranger.secret_key


def test_keys_have_the_form_of_clerks(standin):
    prefix, _, host = standin.publishable_key.rpartition("_")

    assert prefix == "pk_test"
    assert b64decode(host + "=" * (-len(host) % 4)) == b"127.0.0.1:8041$"
    assert standin.secret_key.startswith("sk_test_")
    assert standin.kid.startswith("ins_")


def test_the_port_names_the_issuer(tmp_path):
    standin = Standin.open(tmp_path / "standin", port=9123)

    assert payload(standin.mint("alice"))["iss"] == standin.issuer == "http://127.0.0.1:9123"


def test_a_token_lives_from_the_clocks_time(standin, clock):
    clock.advance(seconds=1000)

    claims = payload(standin.mint("alice", ttl=7))

    assert (claims["iat"], claims["exp"]) == (NOON + 1000, NOON + 1007)


def test_every_token_of_a_session_is_another(standin):
    session = standin.sign_in("alice")

    first, second = (payload(standin.token(session)) for _ in range(2))

    assert first["sid"] == second["sid"] == session.id
    assert first["jti"] != second["jti"]


def test_every_sign_in_is_another_session(standin):
    assert standin.sign_in("alice").id != standin.sign_in("alice").id


def test_a_short_name_and_a_whole_id_are_the_same_person_and_organization(standin):
    short = standin.sign_in("alice", org="acme", role="admin")
    whole = standin.sign_in("user_alice", org="org_acme", role="org:admin")

    expected = ("user_alice", "org_acme", "org:admin")
    assert (short.user_id, short.org_id, short.org_role) == expected
    assert (whole.user_id, whole.org_id, whole.org_role) == expected


def test_there_is_no_role_without_an_organization(standin):
    assert standin.sign_in("alice", role="admin").org_role is None


def test_a_revoked_session_says_so_and_when(standin, clock):
    session = standin.sign_in("alice")
    clock.advance(seconds=5)

    assert standin.revoke(session.id)

    revoked = standin.session(session.id)
    assert (revoked.status, revoked.created_at) == ("revoked", NOON)
    assert revoked.updated_at == NOON + 5


words = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
features = st.from_regex(r"[a-z][a-z0-9_]{0,9}(:[a-z]{1,5})?", fullmatch=True)
held = st.lists(st.builds("org:{}:{}".format, features, names), unique=True, max_size=8)


@given(user=words, org=words, role=words, permissions=held, version=st.sampled_from([1, 2]))
def test_who_signed_in_is_read_back_whole_from_either_version(
    issuer, user, org, role, permissions, version
):
    claims = payload(
        issuer.mint(user, org=org, role=role, permissions=permissions, version=version)
    )

    read = claims.organization
    assert claims.user_id == "user_" + user.removeprefix("user_")
    assert (read.id, read.role) == ("org_" + org.removeprefix("org_"), f"org:{role}")
    assert read.slug == org.removeprefix("org_")
    assert sorted(read.permissions) == sorted(permissions)


def test_version_2_packs_permissions_as_clerk_documents(issuer):
    permissions = ["org:files:share", "org:files:read", "org:reports:read"]

    claims = payload(issuer.mint("alice", org="acme", role="admin", permissions=permissions))

    assert claims["fea"] == "o:files,o:reports"
    assert (claims["o"]["per"], claims["o"]["fpm"]) == ("share,read", "3,2")
