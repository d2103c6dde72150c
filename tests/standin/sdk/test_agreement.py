"""@clerk/backend and Doorward agree on every kind of credential that the stand-in makes."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from doorward.clerk.auth import ClerkAuth
from doorward.clerk.refusals import Refusal

COUNT = 200
ALL = ("session_token", "m2m_token", "api_key", "oauth_token")
WORDS = ("files", "billing", "notes", "read", "share", "manage")


@dataclass(frozen=True, slots=True)
class Minted:
    """A credential and how it was made."""

    kind: str
    made: dict[str, Any]
    token: str


class Mint:
    """Makes credentials of every kind, the same ones for the same seed."""

    def __init__(self, standin, seed):
        self.standin = standin
        self.chance = random.Random(seed)
        self.machine = standin.create_machine("worker")["id"]

    def many(self, count):
        kinds = [name for name in dir(self) if name.startswith("_make_")]
        for number in range(count):
            name = kinds[number % len(kinds)]
            made, token = getattr(self, name)()
            yield Minted(name.removeprefix("_make_"), made, token)

    def _who(self):
        permissions = {
            f"org:{self.chance.choice(WORDS)}:{self.chance.choice(WORDS)}"
            for _ in range(self.chance.randrange(6))
        }
        in_one = {
            "org": self.chance.choice(["acme", "office"]),
            "role": self.chance.choice(["org:admin", "org:member", "org:bookkeeper"]),
            "permissions": sorted(permissions),
        }
        who = {"user": self.chance.choice(["alice", "bob", "carol"])}
        return who | (in_one if self.chance.random() < 0.7 else {})

    def _session(self, **more):
        made = self._who() | {"version": self.chance.choice([1, 2])} | more
        return made, self.standin.mint(**made)

    def _make_session(self):
        return self._session()

    def _make_session_without_party(self):
        return self._session(azp=None)

    def _make_expired(self):
        return self._session(ttl=-self.chance.randrange(10, 10**6))

    def _make_pending(self):
        return self._session(pending=True)

    def _make_impersonated(self):
        return self._session(claims={"act": {"sub": "user_support", "iss": "https://example.com"}})

    def _make_template(self):
        session = self.standin.sign_in(self._who()["user"])
        return {}, self.standin.template_token(session, claims={"tier": self.chance.randrange(9)})

    def _make_machine_jwt(self):
        claims = {"job": self.chance.randrange(99)} if self.chance.random() < 0.5 else None
        made = {"token_format": "jwt", "claims": claims}
        return made, self.standin.create_machine_token(self.machine, **made)["token"]

    def _make_machine_opaque(self):
        made = {"claims": {"job": self.chance.randrange(10**9)}}
        return made, self.standin.create_machine_token(self.machine, **made)["token"]

    def _oauth(self, form):
        scopes = self.chance.sample(["profile", "email", "openid"], k=self.chance.randrange(4))
        made = {"scopes": scopes, "token_format": form}
        return made, self.standin.create_oauth_token("alice", **made)["access_token"]

    def _make_oauth_jwt(self):
        return self._oauth("jwt")

    def _make_oauth_opaque(self):
        return self._oauth("opaque")

    def _make_api_key(self):
        subject = self.chance.choice(["alice", "org_acme"])
        made = {"scopes": self.chance.sample(WORDS, k=2), "claims": {"team": "a"}}
        self.standin.sign_in("alice", org="acme")
        return made, self.standin.create_api_key(subject, **made)["secret"]


@pytest.fixture(scope="module")
def minted(dev):
    return list(Mint(dev.standin, seed=1).many(COUNT))


@pytest.fixture(scope="module")
def theirs(backend, minted):
    return backend.ask(operation="judge", tokens=[one.token for one in minted])


@pytest.fixture(scope="module")
def ours(dev, minted):
    """What Doorward makes of each: a principal, or the refusal."""

    async def judge():
        guard = ClerkAuth(
            jwt_key=dev.standin.public_key_pem,
            secret_key=dev.standin.secret_key,
            api_url=dev.url,
            accepts=ALL,
            pending_is_signed_out=False,
        )
        try:
            return [await judged(guard, one.token) for one in minted]
        finally:
            await guard.aclose()

    async def judged(guard, token):
        try:
            return await guard.verify(token)
        except Refusal as refusal:
            return refusal

    return asyncio.run(judge())


def test_every_kind_is_let_in_or_refused_alike(minted, theirs, ours):
    verdicts = [
        (one.kind, not isinstance(mine, Refusal), clerks["request"]["ok"])
        for one, mine, clerks in zip(minted, ours, theirs, strict=True)
    ]

    assert [one for one in verdicts if one[1] != one[2]] == []
    refused = Counter(kind for kind, let_in, _ in verdicts if not let_in)
    assert refused.keys() == {"expired", "template"}
    assert all(number >= COUNT // 15 for number in Counter(v[0] for v in verdicts).values())


def test_a_refusal_has_the_same_reason(minted, theirs, ours):
    for one, mine, clerks in zip(minted, ours, theirs, strict=True):
        if isinstance(mine, Refusal):
            verified, request = clerks["verified"], clerks["request"]
            assert mine.reason == verified.get("reason", request["reason"]), one


def test_a_session_says_the_same(minted, theirs, ours):
    compared = 0
    for one, mine, clerks in zip(minted, ours, theirs, strict=True):
        if isinstance(mine, Refusal) or mine.token_type != "session_token":
            continue
        auth = clerks["auth"]
        assert {
            "userId": mine.user_id,
            "sessionId": mine.session_id,
            "sessionStatus": mine.session_status,
            "orgId": mine.org_id,
            "orgSlug": mine.org_slug,
            "orgRole": mine.org_role,
            "orgPermissions": list(mine.org_permissions),
            "actor": mine.actor,
        } == {
            "userId": auth["userId"],
            "sessionId": auth["sessionId"],
            "sessionStatus": auth["sessionStatus"],
            "orgId": auth.get("orgId"),
            "orgSlug": auth.get("orgSlug"),
            "orgRole": auth.get("orgRole"),
            "orgPermissions": auth.get("orgPermissions") or [],
            "actor": auth.get("actor"),
        }, one
        assert one.made.get("role") == mine.org_role
        assert set(one.made.get("permissions", ())) == set(mine.org_permissions)
        compared += 1
    assert compared > COUNT // 4


def test_a_machine_says_the_same(minted, theirs, ours):
    compared = 0
    for one, mine, clerks in zip(minted, ours, theirs, strict=True):
        if isinstance(mine, Refusal) or mine.token_type == "session_token":
            continue
        auth = clerks["auth"]
        assert mine.token_type == clerks["request"]["type"]
        assert mine.subject == auth["subject"]
        assert (mine.user_id, mine.org_id) == (auth.get("userId"), auth.get("orgId")), one
        assert mine.scopes == frozenset(auth["scopes"]), one
        assert mine.client_id == auth.get("clientId")
        compared += 1
    assert compared > COUNT // 4
