import multiprocessing
import subprocess
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from doorward.clerk.claims import Claims
from doorward.clerk.keys import read_jwk, read_pem
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
    assert not revocations.revoked(claims)

    subprocess.run(
        [sys.executable, "-m", "doorward", "dev", "revoke", claims["sid"], "--data", tmp_path],
        check=True,
        capture_output=True,
    )

    assert revocations.revoked(claims)
    assert not revocations.revoked({"sid": "sess_other"})
    assert standin.session(claims["sid"]).status == "revoked"
    assert not standin.revoke("sess_unknown")
