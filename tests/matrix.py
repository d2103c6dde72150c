"""The world that the matrix asks about: people, their things, and credentials in every state."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count

import jwt

from doorward.server.permission.scopes import ALL_SCOPES
from oauth_flow import Application, returned
from permitted import BESIDE, Case, Row
from requested import NOWHERE, request_of, use
from support import Holder, House, Person

ALL = frozenset(scope.value for scope in ALL_SCOPES)
ANY = frozenset({"files:read"})
FOR_YEARS = 400 * 86_400
# Tables of what was tried and of what the sweeper does meanwhile, not of things.
_OTHERS = {
    "audit",
    "sqlite_sequence",
    "doomed_blobs",
    "keeping_blobs",
    "alerts",
    "key_networks",
    "usage",
    "oauth_clients",
}
_LATE = {"last_used_at", "last_used_from"}
_NEVER_OFFERED = {"keys:read", "keys:manage"}  # to applications


@dataclass(frozen=True)
class Bearer:
    """What is sent, and by what it can be ended."""

    text: str
    key_id: str | None = None
    session_id: str | None = None
    grant_of: str | None = None


class Resident(Person):
    """Somebody who signs in once and stays."""

    def token(self, **_: object) -> str:
        found = self.house.people.get(self.name)
        if found is None:
            found = self.house.people[self.name] = self.house.standin.mint(
                self.name, ttl=FOR_YEARS, **self.sign_in
            )
        return found


@dataclass(frozen=True)
class Wanted:
    """A credential to be made: with which scopes, reaching what, by whom, and for how long."""

    scopes: frozenset[str] = ALL
    workspace: str | None = None
    person: str = "ann"
    maker: str = "gus"
    brief: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of credential: how one is made, and in which ways it ends.

    ``leavers`` are ways of ending it that are somebody's membership, by whom it is then made.
    """

    make: Callable[["World", Wanted], Bearer]
    ends: dict[str, Callable[["World", Bearer], object]]
    leavers: dict[str, dict[str, str]]
    bounded: bool = True

    @property
    def narrows(self) -> bool:
        """Whether what it brings can be narrowed once it is made: it stands on a key."""
        return self.make in {api_key, delegated_token}

    @property
    def states(self) -> list[str]:
        return ["active", "expired", *self.ends, *self.leavers]


def session(world: "World", wanted: Wanted) -> Bearer:
    signed_in = world.house.standin.sign_in(wanted.person, org="acme", role="org:member")
    ttl = 60 if wanted.brief else FOR_YEARS
    return Bearer(world.house.standin.token(signed_in, ttl=ttl), session_id=signed_in.id)


def api_key(world: "World", wanted: Wanted) -> Bearer:
    more = {"expires_in": 300} if wanted.brief else {}
    if wanted.workspace:
        more["workspaces"] = [wanted.workspace]
    holder = world.resident(wanted.person).key(*sorted(wanted.scopes), **more)
    return Bearer(holder.secret, holder.id)


def delegated_token(world: "World", wanted: Wanted) -> Bearer:
    """An agent's token for a person; both are owners of the same workspaces."""
    held = Wanted(wanted.scopes, wanted.workspace, person=wanted.maker)
    key = api_key(world, held)
    holder = world.holder(key.text)
    person = session(world, Wanted(person=wanted.person))
    made = holder.exchange(person.text)
    assert made.status_code == 200, made.text
    return Bearer(made.json()["access_token"], key.key_id, person.session_id)


def oauth_token(world: "World", wanted: Wanted) -> Bearer:
    """A token of an application that a person allowed to act for them."""
    app = world.application
    scopes = sorted(wanted.scopes - _NEVER_OFFERED) or ["events:read"]
    page = app.asked(_Signed(world, wanted.person), app.query(scope=" ".join(scopes)))
    chosen = {"where": "some", "workspace": wanted.workspace} if wanted.workspace else {}
    made = app.take_up(returned(app.decided(page, scope=scopes, **chosen))["code"])
    assert made.status_code == 200, made.text
    return Bearer(made.json()["access_token"], grant_of=wanted.person)


class _Signed:
    """Somebody who signs in at the page."""

    def __init__(self, world: "World", name: str) -> None:
        self._house, self._name = world.house, name

    def token(self, **more: object) -> str:
        return self._house.standin.mint(self._name, org="acme", role="org:member", **more)


def _revoke_grant(world: "World", bearer: Bearer) -> None:
    claims = jwt.decode(bearer.text, options={"verify_signature": False})
    person = world.resident(bearer.grant_of)
    assert person.delete(f"grants/{claims['grant']}").status_code == 204


def _revoke_key(world: "World", bearer: Bearer) -> None:
    key = next(one for one in world.makers if one.get(f"keys/{bearer.key_id}").is_success)
    assert key.delete(f"keys/{bearer.key_id}").status_code == 204


def _rotate_out(world: "World", bearer: Bearer) -> None:
    rotated = world.resident("ann").post(f"keys/{bearer.key_id}/rotate", overlap=0)
    assert rotated.status_code == 200


def _end_session(world: "World", bearer: Bearer) -> None:
    assert world.house.standin.revoke(bearer.session_id)


def _end_token(world: "World", bearer: Bearer) -> None:
    world.resident("ann").post("token/revoke", token=bearer.text)


KINDS = {
    "session": Kind(
        session, {"session revoked": _end_session}, {"left": {"person": "mia"}}, bounded=False
    ),
    "api_key": Kind(
        api_key,
        {"key revoked": _revoke_key, "rotated out": _rotate_out},
        {"left": {"person": "mia"}},
    ),
    "delegated_token": Kind(
        delegated_token,
        {"key revoked": _revoke_key, "session revoked": _end_session, "revoked": _end_token},
        {"left": {"person": "mia"}, "maker left": {"maker": "mo"}},
    ),
    "oauth_token": Kind(oauth_token, {"grant revoked": _revoke_grant}, {"left": {"person": "mia"}}),
}
"""A further kind is one more function here, with the ways in which it ends."""


@dataclass
class World:
    """Ann's own workspace, those where she is less, and those where she is nobody."""

    house: House
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    bearers: dict[tuple[str, str, frozenset[str], bool], Bearer] = field(default_factory=dict)
    _names: count = field(default_factory=count)

    @classmethod
    def made(cls, house: House) -> "World":
        world = cls(house)
        world.elsewhere = world._workspace("ann")
        world._let_in(world.elsewhere, "ann", "owner", "mia", "gus", "mo")
        world.brief = {
            (name, scopes): kind.make(world, Wanted(scopes, brief=True))
            for name, kind in KINDS.items()
            for scopes in _variants(kind)
        }
        world.advance()
        world._furnish()
        for operation in BESIDE:  # every entrance has seen Ann, and writes down no more of her
            world.ask(operation, NOWHERE, Bearer(world.resident("ann").token()))
        return world

    def advance(self) -> None:
        """Let what was made brief expire, and no signed URL; people sign in anew."""
        self.house.clock.advance(seconds=700)
        self.house.people.clear()
        self.bearers = {key: one for key, one in self.bearers.items() if key[1] != "active"}

    @cached_property
    def application(self) -> Application:
        """The one application of this world."""
        return Application.registered(self.house)

    @property
    def makers(self) -> list[Resident]:
        return [self.resident(name) for name in ("ann", "gus", "mia", "mo")]

    def resident(self, name: str) -> Resident:
        at_globex = {"org": "globex", "role": "org:member"}
        return Resident(
            self.house, name, at_globex if name == "xena" else {"org": "acme", "role": "org:member"}
        )

    def holder(self, text: str):
        return Holder(self.house, "holder", {}, "", text)

    def fresh(self) -> str:
        return f"n{next(self._names)}"

    def bearer(self, case: Case, row: Row) -> Bearer | None:
        """Give what is sent in a case; made once for all cases that send the same."""
        if case.kind == "none":
            return None
        kind = KINDS[case.kind]
        scopes = _scopes_of(row, has_scope=case.has_scope) if kind.bounded else ALL
        if case.state == "expired":
            return self.brief[case.kind, scopes]
        reach = self.elsewhere if case.place == "unreached" else None
        found = self.bearers.get((case.kind, case.state, scopes, reach is not None))
        if found is None:
            found = self._made(kind, case.state, Wanted(scopes, reach))
            self.bearers[case.kind, case.state, scopes, reach is not None] = found
        return found

    def _made(self, kind: Kind, state: str, wanted: Wanted) -> Bearer:
        if state in kind.leavers:
            return self._left[kind.make, state, wanted.scopes]
        made = kind.make(self, wanted)
        if state in kind.ends:
            kind.ends[state](self, made)
        return made

    def buyer(self, name: str, state: str) -> tuple[Bearer, Callable[[], object]]:
        """Give a new credential, and what brings it into that state."""
        kind, who = KINDS[name], {}
        ends: dict[str, Callable[[], object]] = {"active": lambda: None, "expired": self.advance}
        for end, roles in kind.leavers.items():
            if state == end:
                newcomer = self.fresh()
                who = dict.fromkeys(roles, newcomer)
                self._let_in(self.own, "ann", "owner", newcomer)
                ends[end] = partial(self.house.standin.remove_member, newcomer, "acme")
        bearer = kind.make(self, Wanted(**who, brief=state == "expired"))
        for end, act in kind.ends.items():
            ends[end] = partial(act, self, bearer)
        ends["narrowed"] = lambda: self._narrow(bearer)
        return bearer, ends[state]

    def _narrow(self, bearer: Bearer) -> None:
        maker = next(one for one in self.makers if one.get(f"keys/{bearer.key_id}").is_success)
        narrowed = maker.patch(f"keys/{bearer.key_id}", scopes=sorted(ALL - {"files:write"}))
        assert narrowed.status_code == 200, narrowed.text

    def buy(self, operation: str, bearer: Bearer) -> str:
        """Give a signed URL that comes of an operation."""
        answer = self.ask(operation, self.ids["own"], bearer)
        assert answer.is_success, answer.text
        return answer.json().get("url") or answer.json()["upload_url"]

    def use(self, operation: str, url: str):
        """Use a signed URL as one does."""
        return use(self.house.client, operation, url)

    def _furnish(self) -> None:
        """Make the places with a thing of each sort in them, and have two people leave."""
        self.ids["own"] = self._place("ann")
        self.own = self.ids["own"]["workspace_id"]
        self._let_in(self.own, "ann", "owner", "mia", "gus", "mo")
        self.ids["unreached"] = self.ids["own"]
        self.agent = self.resident("gus").key("files:read")
        for role in ("viewer", "editor", "admin"):
            self.ids[role] = self._place("otto")
            self._let_in(self.ids[role]["workspace_id"], "otto", role, "ann", "gus")
        self.ids["other"], self.ids["foreign"] = self._place("otto"), self._place("xena")
        self._left = {
            (kind.make, state, scopes): kind.make(self, Wanted(scopes, **who))
            for kind in KINDS.values()
            for state, who in kind.leavers.items()
            for scopes in _variants(kind)
        }
        for name in ("mia", "mo"):
            self.house.standin.remove_member(name, "acme")

    def _place(self, owner: str) -> dict[str, str]:
        who = self.resident(owner)
        workspace = self._workspace(owner)
        file = who.upload(workspace, "plan.txt", b"secret plan")["id"]
        who.post(f"workspaces/{workspace}/members", user_id="user_carol", role="viewer")
        folder = who.post(f"workspaces/{workspace}/folders", name="folder").json()["id"]
        return {
            "workspace_id": workspace,
            "file_id": file,
            "folder_id": folder,
            "upload_id": who.declare(workspace, "later.txt", 3).json()["id"],
            "link_id": who.post(f"files/{file}/link").json()["id"],
            "key_id": who.key("files:read").id,
            "user_id": "user_carol",
            "request_id": "req_" + "0" * 32,
            "transfer_id": NOWHERE["transfer_id"],
            "token": NOWHERE["token"],
            "grant_id": NOWHERE["grant_id"],
        }

    def _workspace(self, owner: str) -> str:
        return self.resident(owner).post("workspaces", name=self.fresh()).json()["id"]

    def _let_in(self, workspace: str, by: str, role: str, *names: str) -> None:
        for name in names:
            added = self.resident(by).post(
                f"workspaces/{workspace}/members", user_id=f"user_{name}", role=role
            )
            assert added.status_code == 201, added.text

    def things(self) -> str:
        """Everything that there is, but for what was tried and when keys were used last."""
        with closing(sqlite3.connect(self.house.data / "doorward.db")) as database:
            database.row_factory = sqlite3.Row
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = sorted({row["name"] for row in names} - _OTHERS)
            dumped = {name: _rows(database, name) for name in tables}
        return json.dumps(dumped, default=repr)

    def consumable(self, operation: str, bearer: Bearer) -> dict[str, str]:
        """Things of Ann's own, of which those that the operation uses up are new."""
        ann, ids = self.resident("ann"), dict(self.ids["own"])
        match operation:
            case "DELETE /workspaces/{workspace_id}" | "POST /workspaces/{workspace_id}/transfers":
                ids["workspace_id"] = self._workspace("ann")
                self._let_in(ids["workspace_id"], "ann", "owner", "gus")
            case "DELETE /workspaces/{workspace_id}/members/{user_id}":
                ids["user_id"] = f"user_{self.fresh()}"
                self._let_in(self.own, "ann", "viewer", ids["user_id"].removeprefix("user_"))
            case "DELETE /files/{file_id}" | "POST /files/{file_id}/restore":
                new = ann.post(f"workspaces/{self.own}/folders", name=self.fresh()).json()
                ids["file_id"] = new["id"]
                if operation.endswith("restore"):
                    ann.delete(f"files/{new['id']}")
            case (
                "POST /uploads/{upload_id}/renew"
                | "POST /uploads/{upload_id}/complete"
                | "DELETE /uploads/{upload_id}"
            ):
                declared = self.holder(bearer.text).declare(self.own, self.fresh(), 3)
                ids["upload_id"] = declared.json()["id"]
            case "GET /requests/{request_id}/decisions":
                ids["request_id"] = self._request_id(bearer)
            case "DELETE /keys/{key_id}":
                ids["key_id"] = ann.key("files:read").id
            case "POST /keys/{key_id}/rotate" if bearer.session_id is None:
                ids["key_id"] = bearer.key_id
        return ids

    def _request_id(self, bearer: Bearer) -> str:
        """Give the id of a request of one's own."""
        listed = self.holder(bearer.text).get(f"workspaces/{self.own}/files")
        return listed.headers["x-request-id"]

    def ask(self, operation: str, ids: dict[str, str], bearer: Bearer | None):
        method, path, sent = request_of(operation, ids, self.fresh())
        if operation == "POST /token":
            sent["data"] = self._exchange(bearer)
        headers = dict(sent.pop("headers", {}))
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer.text}"
        return self.house.client.request(method, path, headers=headers, **sent)

    def _exchange(self, bearer: Bearer | None) -> dict[str, str]:
        """Ann's session for Gus's key, as either of them asks for it."""
        is_ann = bearer is not None and bearer.key_id is None
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": bearer.text if is_ann else self.resident("ann").token(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
        if is_ann:
            form["actor_token"] = self.agent.secret
        return form


def _scopes_of(row: Row, *, has_scope: bool) -> frozenset[str]:
    """Give the one scope that is needed, or all but that one."""
    if not has_scope:
        return ALL - {row.scope}
    return frozenset({row.scope}) if row.scope else ANY


def _variants(kind: Kind) -> set[frozenset[str]]:
    if not kind.bounded:
        return {ALL}
    return {ANY} | {frozenset({one}) for one in ALL} | {ALL - {one} for one in ALL}


def _rows(database: sqlite3.Connection, table: str) -> list[list[object]]:
    found = database.execute(f"SELECT * FROM {table}")  # noqa: S608 - a table of ours
    return [[row[name] for name in row.keys() if name not in _LATE] for row in found]  # noqa: SIM118
