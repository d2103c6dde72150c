"""The stand-in as Python code uses it: people, sessions, tokens, and a clock that can be moved."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypedDict, Unpack

from doorward.standin import (
    api_keys,
    deliveries,
    machines,
    memberships,
    oauth,
    sessions,
    standing,
    users,
    webhooks,
)
from doorward.standin.deliveries import Delivery
from doorward.standin.fields import Fields, Query
from doorward.standin.file import StandinFile, Transaction
from doorward.standin.issuer import (
    PORT_DEFAULT,
    TEMPLATE,
    Active,
    Instance,
    Issuer,
    organization_v1,
    organization_v2,
)
from doorward.standin.refusals import Refused
from doorward.standin.secrets import derivation_key, secret_key, signing_key
from doorward.standin.sessions import Session, SignIn

DEFAULT_PARTY = "http://127.0.0.1:8040"
"""The ``azp`` of tokens that name no other: where ``doorward serve`` answers by default."""


class TokenOptions(TypedDict, total=False):
    """What a token may have beside its session's own."""

    ttl: float
    claims: Mapping[str, Any] | None
    azp: str | None
    version: int


class Standin:
    """One stand-in over one folder; any number of processes may open the same."""

    def __init__(
        self, folder: Path, clock: Callable[[], float] = time.time, port: int = PORT_DEFAULT
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.issuer = f"http://127.0.0.1:{port}"
        self._key = signing_key(folder)
        self._instance = Instance(Issuer(self._key, self.issuer), derivation_key(folder))
        self._file = StandinFile(folder, clock)
        self._sweep()
        self.secret_key = secret_key(folder)
        # Clerk's form: the front end's host, a dollar sign, base64 without padding.
        host = b64encode(f"127.0.0.1:{port}$".encode()).decode().rstrip("=")
        self.publishable_key = f"pk_test_{host}"

    @classmethod
    def open(
        cls, folder: Path, *, clock: Callable[[], float] = time.time, port: int = PORT_DEFAULT
    ) -> "Standin":
        """Open a folder, made ready when it is new."""
        return cls(folder, clock, port)

    def close(self) -> None:
        """Close this thread's connection to the file; the next use opens another."""
        self._file.close()

    @property
    def now(self) -> float:
        """The stand-in's time, seconds since 1970, as whoever shares the folder has moved it."""
        return self._file.now

    @property
    def clock_offset(self) -> float:
        """How many seconds its time is ahead of the clock it was given."""
        return self._file.clock_offset

    def set_clock_offset(self, seconds: float) -> None:
        """Let its time be so many seconds ahead, for every process that shares the folder."""
        self._file.set_clock_offset(seconds)

    def advance(self, seconds: float) -> None:
        """Move its time on, for every process that shares the folder."""
        self._file.move_clock(seconds)

    @property
    def public_key_pem(self) -> str:
        """The key that verifies its tokens."""
        return self._instance.issuer.public_key_pem

    @property
    def kid(self) -> str:
        """The id of the key, which is the instance's id as with Clerk."""
        return self._instance.id

    def jwks(self) -> dict[str, Any]:
        """Give the JWK Set (RFC 7517)."""
        return self._instance.issuer.jwks()

    def read(self) -> Transaction:
        """Look at what there is."""
        return self._file.read(self._instance)

    def change(self) -> AbstractContextManager[Transaction]:
        """Change what there is, in one transaction."""
        return self._file.change(self._instance)

    def sign_in(
        self,
        user: str,
        *,
        org: str | None = None,
        role: str | None = None,
        permissions: Sequence[str] = (),
        pending: bool = False,
    ) -> Session:
        """Begin a session of a user, with an active organization if one is named.

        Whoever is not there yet is made: ``alice`` is Alice, ``user_alice``, alice@example.com.
        Raises Refused for a user who is banned or locked.
        """
        with self.change() as tx:
            return sessions.sign_in(tx, SignIn(user, org, role, permissions, pending))

    def session(self, session_id: str) -> Session | None:
        """Give a session."""
        try:
            return sessions.find(self.read(), session_id)
        except Refused:
            return None

    def revoke(self, session_id: str) -> bool:
        """End a session for every process at once; says whether there is one of that id."""
        return self.end(session_id, "revoked")

    def end(self, session_id: str, status: str = "ended") -> bool:
        """End a session, ``ended`` or ``removed`` as by signing out; says whether there is one."""
        try:
            with self.change() as tx:
                sessions.end(tx, session_id, status)
        except Refused:
            return False
        return True

    def mint(
        self,
        user: str,
        *,
        org: str | None = None,
        role: str | None = None,
        permissions: Sequence[str] = (),
        pending: bool = False,
        **token: Unpack[TokenOptions],
    ) -> str:
        """Sign a user in and give a session token; the rest is as for ``token``."""
        with self.change() as tx:
            session = sessions.sign_in(tx, SignIn(user, org, role, permissions, pending))
            active = sessions.active(tx, session)
        return self._token(session, active, **token)

    def token(self, session: Session, **token: Unpack[TokenOptions]) -> str:
        """Give a token of a session.

        It carries the role that the user has in the organization now, and none after the
        membership's end. ``ttl``: seconds that it is good for, 60 unless said otherwise.
        ``claims`` go over all others; ``azp`` names the page that it is for, None nobody's;
        ``version`` 1 is the older form of Clerk's claims.
        """
        return self._token(session, sessions.active(self.read(), session), **token)

    def template_token(
        self,
        session: Session,
        *,
        ttl: float = 60,
        claims: Mapping[str, Any] | None = None,
        azp: str | None = DEFAULT_PARTY,
    ) -> str:
        """Give a token as a JWT template makes it: the user's, but no session's."""
        body = self._instance.issuer.claims(session.user_id, self.now, ttl)
        if azp is not None:
            body["azp"] = azp
        return self.sign(body | dict(claims or {}), TEMPLATE)

    def _token(
        self,
        session: Session,
        active: Active | None,
        *,
        ttl: float = 60,
        claims: Mapping[str, Any] | None = None,
        azp: str | None = DEFAULT_PARTY,
        version: int = 2,
    ) -> str:
        body = self._instance.issuer.claims(session.user_id, self.now, ttl) | {
            "sid": session.id,
            "fva": [int((self.now - session.created_at) // 60), -1],
            "sts": "pending" if session.status == "pending" else "active",
        }
        if azp is not None:
            body["azp"] = azp
        body |= organization_v2(active) if version == 2 else organization_v1(active)  # noqa: PLR2004
        return self.sign(body | dict(claims or {}))

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """Sign any claims with any header beyond Clerk's own, as tests of a guard need them."""
        return self._instance.issuer.sign(claims, header or {})

    def _sweep(self) -> None:
        # By the clock as it was given: what was moved can be moved back.
        now = self.now - self.clock_offset
        if sessions.has_old(self.read(), now):
            with self.change() as tx:
                sessions.sweep(tx, now)

    def user(self, user: str) -> dict[str, Any]:
        """Give a user as the Backend API does; raises Refused when there is none."""
        return users.show(self.read(), _user(user))

    def users(self, query: str | None = None) -> list[dict[str, Any]]:
        """Give the users whose name or address has a text in it, at most 500, newest first."""
        asked = {"limit": ["500"]} | ({"query": [query]} if query else {})
        return users.find_all(self.read(), Query(asked))

    def create_user(self, **fields: Any) -> dict[str, Any]:
        """Make a user of the parameters that Clerk's API has; raises Refused."""
        with self.change() as tx:
            return users.show(tx, users.create(tx, Fields(fields)))

    def set_metadata(self, user: str, **fields: Any) -> dict[str, Any]:
        """Merge ``public_metadata=`` and the like into a user's; raises Refused."""
        with self.change() as tx:
            users.set_metadata(tx, _user(user), Fields(fields), merge=True)
            return users.show(tx, _user(user))

    def ban(self, user: str) -> None:
        """Ban a user, all of whose sessions are over at once; raises Refused."""
        with self.change() as tx:
            standing.ban(tx, _user(user))

    def unban(self, user: str) -> None:
        """Let a banned user sign in again; raises Refused."""
        with self.change() as tx:
            standing.unban(tx, _user(user))

    def delete_user(self, user: str) -> None:
        """Delete a user with sessions, memberships and keys; raises Refused when there is none."""
        with self.change() as tx:
            standing.delete_user(tx, _user(user))

    def set_role(self, user: str, org: str, role: str) -> None:
        """Give a member another role, which the next tokens carry; raises Refused."""
        with self.change() as tx:
            memberships.set_role(tx, _user(user), _organization(org), role)

    def remove_member(self, user: str, org: str) -> None:
        """End a membership; the next tokens are without the organization. Raises Refused."""
        with self.change() as tx:
            memberships.delete(tx, _organization(org), _user(user))

    def create_api_key(self, user: str, name: str = "A key", **fields: Any) -> dict[str, Any]:
        """Make an API key of a user, who is made when there is none; its ``secret`` is there.

        ``fields`` are Clerk's: ``scopes``, ``claims``, ``seconds_until_expiration`` and so on.
        An id such as ``org_…`` or ``mch_…`` is taken as it is. Raises Refused.
        """
        with self.change() as tx:
            whole = user.startswith(("org_", "mch_"))
            subject = user if whole else users.ensure(tx, user)
            return api_keys.create(tx, Fields(fields | {"name": name, "subject": subject}))

    def create_machine(self, name: str, **fields: Any) -> dict[str, Any]:
        """Make a machine; its ``secret_key`` is there. Raises Refused."""
        with self.change() as tx:
            return machines.create(tx, Fields(fields | {"name": name}))

    def machine(self, name: str, scoped_machines: Sequence[str] = ()) -> dict[str, Any]:
        """Give the machine of a name with its ``secret_key``, made when there is none.

        Its tokens are good for ``scoped_machines``, made by their names too. Raises Refused.
        """
        with self.change() as tx:
            machine_id = machines.ensure(tx, name)
            for other in scoped_machines:
                machines.add_scope(tx, machine_id, machines.ensure(tx, other))
            secret_key = machines.secret_key(tx, machine_id)
            return machines.show(tx, machine_id) | {"secret_key": secret_key}

    def create_machine_token(self, machine_id: str, **fields: Any) -> dict[str, Any]:
        """Make a machine's token: ``token_format="jwt"`` for one that verifies itself.

        Raises Refused.
        """
        with self.change() as tx:
            return machines.create_token(tx, machine_id, Fields(fields))

    def create_oauth_token(self, user: str, **fields: Any) -> dict[str, Any]:
        """Make an OAuth access token of a user, who is made when there is none.

        ``fields``: ``client_id``, ``scopes``, ``token_format``, ``seconds_until_expiration``.
        Raises Refused.
        """
        with self.change() as tx:
            return oauth.create(tx, users.ensure(tx, user), Fields(fields))

    def add_webhook(
        self, url: str, events: Sequence[str] = (), *, endpoint_id: str | None = None
    ) -> str:
        """Send events to an address of this machine; gives the ``whsec_…`` they are signed with.

        All events when none is named; ``user.*`` is every one about users. An endpoint of the
        same id is replaced. Raises Refused.
        """
        with self.change() as tx:
            return webhooks.secret_of(tx, webhooks.add(tx, url, events, endpoint_id))

    def webhook_secret(self, endpoint_id: str) -> str:
        """Give the secret that an endpoint of an id has, or would have."""
        return webhooks.secret_of(self.read(), endpoint_id)

    def webhooks(self) -> list[dict[str, Any]]:
        """Give the endpoints, without their secrets."""
        return webhooks.find_all(self.read())

    def remove_webhook(self, endpoint_id: str) -> None:
        """Send nothing there any more; raises Refused when there is no such endpoint."""
        with self.change() as tx:
            webhooks.remove(tx, endpoint_id)

    def deliveries(self) -> list[dict[str, Any]]:
        """Give what was sent and what waits, newest first."""
        return webhooks.deliveries(self.read())

    def deliver(self, client: Any = None) -> list[Delivery]:
        """Send the webhooks that are due, and say what came of each; blocks meanwhile.

        ``client``: what to send with, as the receiving application's TestClient; without it real
        requests are made, to loopback addresses only.
        """
        return deliveries.deliver(self, client)

    def replay(self, message_id: str) -> None:
        """Send an event once more under its own id; raises Refused when there is none."""
        with self.change() as tx:
            webhooks.replay(tx, message_id)


def _user(name: str) -> str:
    return name if name.startswith("user_") else f"user_{name}"


def _organization(name: str) -> str:
    return name if name.startswith("org_") else f"org_{name}"
