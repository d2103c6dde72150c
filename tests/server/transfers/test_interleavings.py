"""Offers, claims, cancellations, undoing and lost roles in any order, beside a simple model."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from doorward.server.members.model import MemberSource
from doorward.server.members.service import add_member, change_role, remove_member
from doorward.server.permission.caller import Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.problems import (
    LastOwner,
    PermissionDenied,
    Problem,
    TransferEnded,
    TransferNotFound,
    TransferPending,
    TransferSuperseded,
    TransferToSelf,
    WorkspaceNotFound,
)
from doorward.server.store.sql.commit import Commit
from doorward.server.store.sql.migrate import migrate
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.transaction import SqlTx
from doorward.server.transfers import service, sweeping
from doorward.server.transfers.model import State, Terms
from doorward.server.transfers.presenting import Presented
from doorward.server.transfers.service import NewOffer
from doorward.server.workspaces.service import NewWorkspace, create_workspace, role_in, welcome

PEOPLE = [f"user_{name}" for name in "abcd"]
SPEAKS = [None, "org_x", "org_y"]
UNDO_SECONDS = 700
ANYBODY = [(user, speaks) for user in PEOPLE for speaks in SPEAKS]
people = st.sampled_from(PEOPLE)
speaking = st.sampled_from(SPEAKS)
TERMS = st.tuples(
    st.sampled_from([None, None, None, *PEOPLE]),
    st.sampled_from(["stay", "claimer", "personal", "org_x"]),
    st.sampled_from([None, Role.VIEWER, Role.ADMIN]),
    st.sampled_from([None, 50]),
)
Row = tuple[Role, datetime | None]


@dataclass
class Offered:
    """An offer as the model has it."""

    id: str
    digest: str
    by: tuple[str, str | None]
    to: str | None
    destination: str
    keeps: Role | None
    keeps_seconds: int | None
    expires_at: datetime
    state: State = State.OFFERED
    claimed_by: str | None = None
    undo_until: datetime | None = None
    before: "tuple[str | None, dict[tuple[str, str], Row]] | None" = None


@dataclass
class Model:
    """What a workspace is, in the plainest terms."""

    organization: str | None
    now: datetime
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    offers: list[Offered] = field(default_factory=list)

    def live(self) -> dict[tuple[str, str], Row]:
        return {k: r for k, r in self.rows.items() if r[1] is None or self.now < r[1]}

    def role(self, user: str, speaks: str | None) -> Role | None:
        return self.role_among(self.live(), self.organization, user, speaks)

    @staticmethod
    def role_among(rows, organization, user, speaks) -> Role | None:
        held = [
            role
            for (whose, source), (role, _) in rows.items()
            if whose == user
            and (source == "direct" or (speaks is not None and speaks == organization))
        ]
        return max(held, key=lambda role: role.rank, default=None)

    def state(self, offer: Offered) -> State:
        over = offer.state is State.OFFERED and self.now >= offer.expires_at
        return State.EXPIRED if over else offer.state

    def refuses(self, user: str, speaks: str | None) -> type[Problem] | None:
        """What somebody gets who wants to do what only owners may."""
        role = self.role(user, speaks)
        if role is None:
            return WorkspaceNotFound
        return None if role is Role.OWNER else PermissionDenied

    def claim(self, offer: Offered, user: str, speaks: str | None) -> None:
        offer.before = (self.organization, dict(self.rows))
        after = {"stay": self.organization, "personal": None, "claimer": speaks}.get(
            offer.destination, offer.destination
        )
        moves = after != self.organization
        live = self.live()
        offerer = offer.by[0]
        rows = {
            (whose, source): row
            for (whose, source), row in live.items()
            if whose not in {user, offerer} and (not moves or source == "direct")
        }
        had = [source for (whose, source) in live if whose == user]
        inside = after is not None and after == speaks
        source = had[0] if had and not moves else "organization" if inside else "direct"
        rows[user, source] = (Role.OWNER, None)
        if offer.keeps is not None:
            (from_,) = [source for (whose, source) in live if whose == offerer]
            seconds = offer.keeps_seconds
            until = None if seconds is None else self.now + timedelta(seconds=seconds)
            rows[offerer, "direct" if moves else from_] = (offer.keeps, until)
        self.rows, self.organization = rows, after
        offer.state, offer.claimed_by = State.CLAIMED, user
        offer.undo_until = self.now + timedelta(seconds=UNDO_SECONDS)

    def undo(self, offer: Offered) -> None:
        organization, kept = offer.before
        known = {whose for whose, _ in kept} | {offer.claimed_by}
        stay = {key: row for key, row in self.rows.items() if key[0] not in known}
        self.rows, self.organization = stay | kept, organization
        offer.state = State.UNDONE
        for other in self.offers:
            if self.state(other) is State.OFFERED:
                other.state = State.CANCELLED


@cache
def template() -> Path:
    path = Path(tempfile.mkdtemp()) / "rows.db"
    engine = open_engine(path, durable=False)
    migrate(engine, path.with_suffix(".lock"))
    engine.dispose()
    return path


class HandingOver(RuleBasedStateMachine):
    """The services over real rows, and the model beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(template(), self.folder / "rows.db")
        self.engine = open_engine(self.folder / "rows.db", durable=False)
        self.model = Model(None, datetime(2026, 1, 1, tzinfo=UTC))

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)

    def run(self, command):
        with self.engine.begin() as connection:
            commit = Commit(connection, self.model.now, shared=False)
            result = command(SqlTx(connection, commit.now, commit))
            commit.finish()
            return result

    def expect(self, kind: type[Problem] | None, command):
        """Run a command and see that it comes to what the model says, and to nothing else."""
        if kind is None:
            return self.run(command)
        with pytest.raises(Problem) as refused:
            self.run(command)
        assert refused.type is kind, refused.value.reason
        return None

    def who(self, user: str, speaks: str | None) -> Caller:
        return Caller(
            user,
            Credential("session", "sess_1"),
            Origin("req_1"),
            organization_id=speaks,
            organization_role=Role.VIEWER if speaks else None,
        )

    @initialize(speaks=speaking)
    def create(self, speaks):
        for user, spoken in ANYBODY:  # each of whom the organizations have seen
            self.run(partial(welcome, who=self.who(user, spoken), quota_bytes=100))
        made = self.run(
            lambda tx: create_workspace(tx, self.who(PEOPLE[0], speaks), NewWorkspace("W", 100))
        )
        self.id = made.workspace.id
        self.model.organization = speaks
        source = "organization" if speaks else "direct"
        self.model.rows[PEOPLE[0], source] = (Role.OWNER, None)

    @rule(data=st.data(), terms=TERMS)
    def hand_over(self, data, terms):
        """Offer and claim at one go, for these two are what everything else is about."""
        self.offer_as(*terms, self.somebody(data, self.owners()))
        if self.model.offers:
            self.claim_one(data, self.one(data))

    @rule(data=st.data(), terms=TERMS)
    def offer(self, data, terms):
        self.offer_as(*terms, self.somebody(data, self.owners()))

    def offer_as(self, to, destination, keeps, seconds, by):
        model, (user, speaks) = self.model, by
        seconds = None if keeps is None else seconds
        open_ = any(model.state(one) is State.OFFERED for one in model.offers)
        kind = model.refuses(user, speaks) or (
            TransferToSelf if to == user else TransferPending if open_ else None
        )
        digest = f"digest{len(model.offers)}"
        new = NewOffer(Terms(to, destination, keeps, seconds), 100, digest)
        made = self.expect(kind, lambda tx: service.offer(tx, self.who(user, speaks), self.id, new))
        if made is not None:
            until = model.now + timedelta(seconds=100)
            model.offers.append(
                Offered(made.id, digest, (user, speaks), to, destination, keeps, seconds, until)
            )

    @precondition(lambda self: self.model.offers)
    @rule(data=st.data())
    def claim(self, data):
        self.claim_one(data, self.one(data))

    def claim_one(self, data, offer):
        model = self.model
        likely = [(user, speaks) for user, speaks in ANYBODY if offer.to in {None, user}]
        user, speaks = self.somebody(data, likely)
        if offer.to not in {None, user}:
            kind = TransferNotFound
        elif model.state(offer) is not State.OFFERED or model.role(*offer.by) is not Role.OWNER:
            kind = TransferEnded
        elif user == offer.by[0]:
            kind = TransferToSelf
        else:
            kind = (
                PermissionDenied
                if offer.destination not in {"stay", "claimer", "personal", speaks}
                else None
            )
        token = Presented(offer.digest)
        self.expect(
            kind,
            lambda tx: service.claim(tx, self.who(user, speaks), token, undo_seconds=UNDO_SECONDS),
        )
        if kind is None:
            model.claim(offer, user, speaks)

    @precondition(lambda self: self.model.offers)
    @rule(data=st.data())
    def cancel(self, data):
        model, offer = self.model, self.one(data)
        user, speaks = self.somebody(data, self.owners())
        ended = None if model.state(offer) is State.OFFERED else TransferEnded
        kind = model.refuses(user, speaks) or ended
        self.expect(kind, lambda tx: service.cancel(tx, self.who(user, speaks), self.id, offer.id))
        if kind is None:
            offer.state = State.CANCELLED

    @precondition(lambda self: any(one.claimed_by for one in self.model.offers))
    @rule(data=st.data())
    def undo(self, data):
        taken = [one for one in self.model.offers if one.claimed_by]
        stands = [one for one in taken if one.state is State.CLAIMED]
        offer = data.draw(st.sampled_from([*stands * 8, *taken]))
        sides = [one for one in ANYBODY if one[0] in {offer.by[0], offer.claimed_by}]
        user, speaks = self.somebody(data, sides)
        kind = self.why_not_undone(offer, user, speaks)
        self.expect(kind, lambda tx: service.undo(tx, self.who(user, speaks), self.id, offer.id))
        if kind is None:
            self.model.undo(offer)

    def why_not_undone(self, offer, user, speaks) -> type[Problem] | None:
        model = self.model
        is_side = user in {offer.by[0], offer.claimed_by}
        if not is_side and (refusal := model.refuses(user, speaks)):
            return refusal
        if offer.state is not State.CLAIMED or model.now >= offer.undo_until:
            return TransferEnded
        later = model.offers[model.offers.index(offer) + 1 :]
        if any(one.state is State.CLAIMED for one in later):
            return TransferSuperseded
        if user == offer.claimed_by:
            return None
        organization, kept = offer.before
        live = {k: r for k, r in kept.items() if r[1] is None or model.now < r[1]}
        counts = model.role_among(live, organization, user, speaks) is Role.OWNER
        return None if is_side and counts else PermissionDenied

    @rule(seconds=st.sampled_from([1, 1, 1, 1, 50, 50, 100, 700]))
    def wait(self, seconds):
        self.model.now += timedelta(seconds=seconds)
        self.run(lambda tx: sweeping.sweep_expired(tx, 10) if seconds > 1 else None)

    @rule(user=people, role=st.sampled_from([Role.VIEWER, Role.ADMIN, Role.OWNER]))
    def let_in(self, user, role):
        owner = self.an_owner()
        if owner is None or any(whose == user for whose, _ in self.model.live()):
            return
        self.run(lambda tx: add_member(tx, owner, self.id, user, role))
        self.model.rows[user, "direct"] = (role, None)

    @rule(user=people, role=st.sampled_from([None, Role.VIEWER, Role.OWNER]))
    def change(self, user, role):
        """Take a role from somebody, their own ownership too, or give another."""
        owner, model = self.an_owner(), self.model
        key = next((key for key in sorted(model.live()) if key[0] == user), None)
        if owner is None or key is None:
            return
        was, until = model.rows[key]
        owners = sum(held is Role.OWNER for held, _ in model.rows.values())
        loses = was is Role.OWNER and role is not Role.OWNER
        kind = LastOwner if loses and owners == 1 else None
        if role is None:
            self.expect(kind, lambda tx: remove_member(tx, owner, self.id, user))
        else:
            self.expect(kind, lambda tx: change_role(tx, owner, self.id, user, role))
        if kind is None and role is None:
            del model.rows[key]
        elif kind is None:
            model.rows[key] = (role, None if role is Role.OWNER else until)

    def one(self, data) -> Offered:
        """An offer: mostly one that is open, if any is."""
        offers = self.model.offers
        open_ = [one for one in offers if self.model.state(one) is State.OFFERED]
        return data.draw(st.sampled_from([*open_ * 4, *offers]))

    def somebody(self, data, likely) -> tuple[str, str | None]:
        """Mostly one of those who may, so that long chains of steps come about."""
        return data.draw(st.sampled_from([*ANYBODY, *likely * 12]))

    def owners(self) -> list[tuple[str, str | None]]:
        return [one for one in ANYBODY if self.model.role(*one) is Role.OWNER]

    def an_owner(self) -> Caller | None:
        owners = self.owners()
        return self.who(*owners[0]) if owners else None

    @invariant()
    def nobody_has_another_role_than_the_model_says(self):
        if not hasattr(self, "id"):
            return
        model = self.model

        def look(tx):
            workspace = tx.workspaces.get(self.id)
            held = {
                (user, speaks): role_in(tx, self.who(user, speaks), workspace)
                for user in PEOPLE
                for speaks in SPEAKS
            }
            states = [tx.transfers.get(self.id, one.id).state_at(tx.now) for one in model.offers]
            rows = {
                (m.user_id, m.source.value): (m.role, m.expires_at)
                for m in tx.members.all(self.id)
                if not m.is_over(tx.now)
            }
            return workspace.organization_id, held, states, rows

        organization, held, states, rows = self.run(look)
        assert organization == model.organization
        assert rows == model.live()
        assert held == {key: model.role(*key) for key in held}
        assert states == [model.state(one) for one in model.offers]
        assert any(role is Role.OWNER for role, _ in rows.values())


assert {source.value for source in MemberSource} == {"direct", "organization", "clerk"}
TestHandingOver = HandingOver.TestCase
TestHandingOver.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
