"""Keys, members and delegation in any order: every credential there ever was, held to a model.

Bounded here; ``make fuzz`` goes on for longer.
"""

import os
import random
import shutil
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from starlette.testclient import TestClient

from doorward.server.app import create_app
from doorward.server.folder import prepare
from doorward.server.settings import load_settings
from doorward.standin import Standin
from rights_model import ACTIONS, OFFICE, PROVED_SECONDS, RANK, SCOPES, Key, Model, Session, Token
from support import Clock, Holder, House

PEOPLE = st.sampled_from(["ann", "bob", "cat"])
ROLES = st.sampled_from(["viewer", "editor", "admin", "owner"])
SOME_SCOPES = st.sets(st.sampled_from(sorted(SCOPES)), min_size=1).map(frozenset)
FOR_YEARS = 400 * 86_400
NEVER = float("inf")
TOKEN_SECONDS = 600


class Rights(RuleBasedStateMachine):
    """A house and the model of it; whatever is done is done to both, and judged by both."""

    workspaces, sessions, keys, tokens = (Bundle(one) for one in ("ws", "session", "key", "token"))
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        data = Path(self.folder.name) / "data"
        shutil.copytree(self.template, data)
        environ = {"DOORWARD_DATA": str(data), "DOORWARD_DURABILITY": "fast"}
        ready = prepare(load_settings(environ))
        self.clock = Clock()
        client = TestClient(create_app(ready, self.clock), base_url=ready.public_url)
        client.__enter__()
        standin = Standin.open(data / "standin", clock=self.clock)
        self.house = House(data, self.clock, client, standin)
        self.model, self.names = Model(), count()
        self.held: list[Session | tuple[Key, str] | Token] = []
        self.people = [self._sign_in(one, in_org=True) for one in ("ann", "bob", "cat")]
        self.model.ids[OFFICE] = self.holder(self.people[0].text).office()

    def teardown(self) -> None:
        self.house.client.__exit__(None, None, None)
        self.house.standin.close()
        self.folder.cleanup()

    def holder(self, text: str) -> Holder:
        return Holder(self.house, "holder", {}, "", text)

    # People

    @initialize(target=sessions)
    def begin(self):
        return multiple(*self.people)

    @initialize(target=workspaces, role=ROLES)
    def have_a_room(self, role: str) -> str:
        ann = self.people[0]
        room = self.create_workspace(ann)
        self.put_member(ann, room, "bob", role)
        return room

    @initialize(target=keys, scopes=SOME_SCOPES)
    def have_an_agent(self, scopes) -> Key:
        self.agent = self.create_key(self.people[1], scopes | {"files:read"}, None, None)
        return self.agent

    @rule(target=sessions, person=PEOPLE, in_org=st.booleans())
    def sign_in(self, person: str, in_org: bool) -> Session:  # noqa: FBT001
        return self._sign_in(person, in_org=in_org)

    def _sign_in(self, person: str, *, in_org: bool) -> Session:
        """Signing in to the organization makes one its member, also again."""
        asked = {"org": "acme", "role": "org:member"} if in_org else {}
        made = self.house.standin.sign_in(person, **asked)
        text = self.house.standin.token(made, ttl=FOR_YEARS)
        if in_org:
            self.model.members.add(person)
        session = Session(person, in_org, self.clock.now, text, made.id)
        self.held.append(session)
        assert self.holder(text).get("workspaces").status_code == 200
        return session

    @rule(session=sessions)
    def sign_out(self, session: Session) -> None:
        self.house.standin.end(session.id)
        session.over = True

    @rule(person=PEOPLE)
    def leave(self, person: str) -> None:
        if person in self.model.members:
            self.house.standin.remove_member(person, "acme")
            self.model.members.discard(person)

    @rule(seconds=st.sampled_from([1, 99, 100, 600, 2000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    # Workspaces and members

    @rule(target=workspaces, session=sessions)
    def create_workspace(self, session: Session) -> str:
        answer = self.holder(session.text).post("workspaces", name="Room")
        assert answer.status_code == (201 if self.model.is_session_alive(session) else 401)
        name = f"room{next(self.names)}"
        self.model.ids[name] = answer.json().get("id", "ws_" + "a" * 26)
        if answer.status_code == 201:
            self.model.roles[name, session.person] = ("owner", session.in_org)
        return name

    @rule(session=sessions, workspace=workspaces, person=PEOPLE, role=ROLES)
    def put_member(self, session: Session, workspace: str, person: str, role: str) -> None:
        """Let somebody in, or change what they are."""
        who, path = self.holder(session.text), f"workspaces/{self.model.ids[workspace]}/members"
        known = (workspace, person) in self.model.roles
        if known:
            answer = who.patch(f"{path}/user_{person}", role=role)
        else:
            answer = who.post(path, user_id=f"user_{person}", role=role)
        allowed = self._may_manage(session, workspace, person, role)
        assert answer.is_success <= allowed, answer.text
        if answer.is_success:
            by_org = self.model.roles[workspace, person][1] if known else False
            self.model.roles[workspace, person] = (role, by_org)

    @rule(session=sessions, workspace=workspaces, person=PEOPLE)
    def remove_member(self, session: Session, workspace: str, person: str) -> None:
        path = f"workspaces/{self.model.ids[workspace]}/members/user_{person}"
        answer = self.holder(session.text).delete(path)
        leaving = person == session.person and self.model.is_session_alive(session)
        assert answer.is_success <= (leaving or self._may_manage(session, workspace, person))
        if answer.is_success:
            del self.model.roles[workspace, person]

    def _may_manage(self, session: Session, workspace: str, person: str, role: str = "") -> bool:
        """Say whether one may: an admin, of nobody who is more, and to nothing that is more."""
        own = self.model.rank(session.person, workspace, in_org=session.in_org)
        was = self.model.roles.get((workspace, person), (None, False))[0]
        most = max(RANK["admin"], RANK.get(role, 0), RANK.get(was, 0))
        return self.model.is_session_alive(session) and own >= most

    # Keys

    @rule(
        target=keys,
        session=sessions,
        scopes=SOME_SCOPES,
        reach=st.none() | st.lists(workspaces, min_size=1, max_size=2, unique=True),
        expires_in=st.none() | st.sampled_from([50, 1000]),
    )
    def create_key(self, session: Session, scopes, reach, expires_in) -> Key | None:
        more = {} if expires_in is None else {"expires_in": expires_in}
        if reach is not None:
            more["workspaces"] = sorted({self.model.ids[one] for one in reach})
        answer = self.holder(session.text).post("keys", name="k", scopes=sorted(scopes), **more)
        held = all(
            self.model.rank(session.person, one, in_org=session.in_org) for one in reach or ()
        )
        assert answer.status_code == self._by_person(session, 201 if held else 403), answer.text
        key = Key(
            maker=session.person,
            in_org=session.in_org,
            scopes=scopes,
            workspaces=None if reach is None else frozenset(reach),
            expires=None if expires_in is None else self.clock.now + expires_in,
            id=answer.json().get("id", "key_" + "a" * 26),
            revoked=answer.status_code != 201,
        )
        if answer.status_code == 201:
            self._keep(key, answer.json()["secret"])
        return key

    def _keep(self, key: Key, secret: str) -> None:
        key.secrets[secret] = NEVER
        self.held.append((key, secret))

    @rule(session=sessions, key=keys, scopes=SOME_SCOPES)
    def set_scopes(self, session: Session, key: Key, scopes) -> None:
        answer = self.holder(session.text).patch(f"keys/{key.id}", scopes=sorted(scopes))
        assert answer.status_code == self._on_key(session, key, 200), answer.text
        if answer.status_code == 200:
            key.scopes = scopes

    @rule(scopes=SOME_SCOPES)
    def set_the_agents_scopes(self, scopes) -> None:
        mine = [one for one in self.held if isinstance(one, Session) and one.person == "bob"]
        self.set_scopes(mine[-1], self.agent, scopes)

    @rule(session=sessions, key=keys, overlap=st.sampled_from([0, 100]))
    def rotate(self, session: Session, key: Key, overlap: int) -> None:
        answer = self.holder(session.text).post(f"keys/{key.id}/rotate", overlap=overlap)
        assert answer.status_code == self._on_key(session, key, 200), answer.text
        if answer.status_code == 200:
            until = self.clock.now + overlap
            key.secrets = {secret: min(end, until) for secret, end in key.secrets.items()}
            self._keep(key, answer.json()["secret"])

    @rule(session=sessions, key=keys)
    def revoke(self, session: Session, key: Key) -> None:
        answer = self.holder(session.text).delete(f"keys/{key.id}")
        sees = bool(key.secrets) and key.maker == session.person
        alive = self.model.is_session_alive(session)
        assert answer.status_code == ((204 if sees else 404) if alive else 401)
        key.revoked = key.revoked or answer.status_code == 204

    def _by_person(self, session: Session, otherwise: int) -> int:
        """Give the status of what takes somebody who signed in not long ago."""
        if not self.model.is_session_alive(session):
            return 401
        return otherwise if self.clock.now - session.began <= PROVED_SECONDS else 403

    def _on_key(self, session: Session, key: Key, otherwise: int) -> int:
        if not self.model.is_session_alive(session):
            return 401
        if not key.secrets or key.maker != session.person:
            return 404
        in_time = key.expires is None or self.clock.now < key.expires
        return self._by_person(session, otherwise) if in_time and not key.revoked else 409

    # Delegation

    @rule(target=tokens, session=sessions, key=keys, scopes=st.none() | SOME_SCOPES, data=st.data())
    def exchange(self, session: Session, key: Key, scopes, data) -> Token | None:
        secret = data.draw(st.sampled_from(sorted(key.secrets) or ["dw_live_" + "a" * 63]))
        return self._exchange(session, key, secret, scopes)

    def _exchange(self, session: Session, key: Key, secret: str, scopes) -> Token | None:
        asked = {} if scopes is None else {"scope": " ".join(sorted(scopes))}
        answer = self.holder(secret).exchange(session.text, **asked)
        until = key.secrets.get(secret, 0)
        key_alive = self.clock.now < until and self.model.is_key_alive(key, self.clock.now)
        allowed = key_alive and self.model.is_session_alive(session)
        excess = scopes is not None and not scopes <= key.scopes
        status = (403 if excess else 200) if allowed else (400 if key_alive else 401)
        assert answer.status_code == status, answer.text
        if status != 200:
            return None
        most = NEVER if key.expires is None else key.expires
        token = Token(
            session,
            key,
            key.scopes if scopes is None else scopes,
            key.workspaces,
            min(self.clock.now + TOKEN_SECONDS, most),
            answer.json()["access_token"],
        )
        self.held.append(token)
        return token

    @rule(target=tokens, session=sessions)
    def lend(self, session: Session) -> Token | None:
        """Have Bob's agent act for somebody, by its newest secret."""
        return self._exchange(session, self.agent, list(self.agent.secrets)[-1], None)

    @rule(token=tokens, session=sessions)
    def end_token(self, token: Token | None, session: Session) -> None:
        if token is None:
            return
        answer = self.holder(session.text).post("token/revoke", token=token.text)
        alive = self.model.is_session_alive(session)
        assert answer.status_code == (200 if alive else 401)
        token.over = token.over or alive

    # And then

    @invariant()
    def hold_everything_to_the_model(self) -> None:
        """Every credential there ever was is answered as the model has it, no more and no less."""
        by_chance = random.Random(next(self.names))
        for one in self.held:
            action = by_chance.choice(sorted(ACTIONS))
            workspace = by_chance.choice(sorted(self.model.ids))
            should, text = self._judged(one, action, workspace)
            answer = self._try(text, action, workspace)
            assert answer.status_code == should, (one, action, workspace, answer.text)

    def _judged(self, one, action: str, workspace: str) -> tuple[int, str]:
        now = self.clock.now
        if isinstance(one, Session):
            return self.model.by_session(one, action, workspace), one.text
        if isinstance(one, Token):
            return self.model.by_token(one, action, workspace, now), one.text
        return self.model.by_key(*one, action, workspace, now), one[1]

    def _try(self, text: str, action: str, workspace: str):
        _, _, method, path = ACTIONS[action]
        body = {"POST": {"name": f"n{next(self.names)}"}, "PATCH": {"name": "Room"}}.get(method)
        path = path.format(self.model.ids[workspace])
        return self.holder(text).call(method, path, json=body)


@pytest.mark.timeout(0)
def test_nothing_ever_held_does_more_than_the_model_allows(empty_folder):
    Rights.template = empty_folder
    run_state_machine_as_test(
        Rights,
        settings=settings(
            max_examples=int(os.environ.get("DOORWARD_TEST_EXAMPLES", "30")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
