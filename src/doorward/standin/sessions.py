"""Sessions: begun by signing in, ended by a call, by a ban, or by age."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from doorward.standin import memberships, organizations, users
from doorward.standin.fields import Query
from doorward.standin.file import Transaction
from doorward.standin.issuer import Active
from doorward.standin.outbox import publish
from doorward.standin.refusals import Refused, invalid, missing, not_found
from doorward.standin.shapes import milliseconds

LIFE_SECONDS = 7 * 24 * 3600
_KEPT_SECONDS = 30 * 24 * 3600
_STATUSES = {
    "active",
    "pending",
    "ended",
    "expired",
    "removed",
    "abandoned",
    "replaced",
    "revoked",
}
_OPEN = "status IN ('active', 'pending')"


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in; times in seconds since 1970."""

    id: str
    user_id: str
    org_id: str | None
    org_role: str | None
    org_permissions: tuple[str, ...]
    status: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who signs in, by short names, and to which organization in which role."""

    user: str
    org: str | None = None
    role: str | None = None
    permissions: Sequence[str] = ()
    pending: bool = False


def sign_in(tx: Transaction, asked: SignIn) -> Session:
    """Begin a session; user, organization and membership are made when there are none.

    Raises Refused for a user who is banned or locked.
    """
    user_id = users.ensure(tx, asked.user)
    ensure_may_sign_in(tx, user_id)
    org_id = organizations.ensure(tx, asked.org, user_id) if asked.org else None
    if org_id:
        memberships.ensure(tx, user_id, org_id, asked.role)
    return begin(tx, user_id, org_id, asked.permissions, pending=asked.pending)


def begin(
    tx: Transaction,
    user_id: str,
    org_id: str | None,
    permissions: Sequence[str] = (),
    *,
    pending: bool = False,
) -> Session:
    """Begin a session of a user who is there."""
    session_id = f"sess_{token_hex(14)}"
    tx.insert(
        "sessions",
        id=session_id,
        user_id=user_id,
        org_id=org_id,
        org_role=memberships.role_of(tx, user_id, org_id) if org_id else None,
        org_permissions=" ".join(permissions),
        status="pending" if pending else "active",
        created_at=tx.now,
        updated_at=tx.now,
    )
    tx.run("UPDATE users SET last_sign_in_at = ? WHERE id = ?", tx.now, user_id)
    publish(tx, "session.pending" if pending else "session.created", _with_user, session_id)
    return find(tx, session_id)


def ensure_may_sign_in(tx: Transaction, user_id: str) -> None:
    """Let nobody in who is banned or locked; raises Refused."""
    row = users.find(tx, user_id)
    if row["banned"]:
        raise Refused(403, "user_banned", "This user is banned.")
    if row["locked_until"] is not None and row["locked_until"] > tx.now:
        raise Refused(403, "user_locked", "This user is locked for now.")


def find(tx: Transaction, session_id: str) -> Session:
    """Give a session; raises Refused when there is none."""
    row = tx.row("SELECT * FROM sessions WHERE id = ?", session_id)
    if row is None:
        raise not_found("Session")
    return _session(row, tx.now)


def find_active(tx: Transaction, session_id: str) -> Session:
    """Give a session that may still have tokens; raises Refused."""
    session = find(tx, session_id)
    if session.status not in {"active", "pending"}:
        raise not_found("Session")
    return session


def end(tx: Transaction, session_id: str, status: str) -> None:
    """End a session as ``revoked``, ``ended`` or ``removed``; raises Refused when there is none."""
    if not tx.run(
        f"UPDATE sessions SET status = ?, updated_at = ? WHERE id = ? AND {_OPEN}",  # noqa: S608 - fixed parts
        status,
        tx.now,
        session_id,
    ):
        find(tx, session_id)
        return  # it is over already
    publish(tx, f"session.{status}", _with_user, session_id)


def end_all(tx: Transaction, user_id: str) -> None:
    """Revoke every session of a user."""
    sql = f"SELECT id FROM sessions WHERE user_id = ? AND {_OPEN}"  # noqa: S608 - fixed parts
    for row in tx.rows(sql, user_id):
        end(tx, row["id"], "revoked")


def active(tx: Transaction, session: Session) -> Active | None:
    """Give the organization that the session's next token carries, none to a former member."""
    if session.org_id is None:
        return None
    row = tx.row(
        "SELECT o.id, o.slug, m.role FROM memberships m JOIN organizations o ON o.id = m.org_id "
        "WHERE m.user_id = ? AND m.org_id = ?",
        session.user_id,
        session.org_id,
    )
    if row is None:
        return None
    return Active(row["id"], row["slug"], row["role"], session.org_permissions)


def show(tx: Transaction, session_id: str) -> dict[str, Any]:
    """Give a session as the Backend API does; raises Refused when there is none."""
    session = find(tx, session_id)
    return {
        "object": "session",
        "id": session.id,
        "user_id": session.user_id,
        "client_id": f"client_{session.id.removeprefix('sess_')}",
        "actor": None,
        "status": session.status,
        "last_active_organization_id": session.org_id,
        "last_active_at": milliseconds(session.updated_at),
        "latest_activity": None,
        "expire_at": milliseconds(session.created_at + LIFE_SECONDS),
        "abandon_at": milliseconds(session.created_at + _KEPT_SECONDS),
        "tasks": [{"key": "choose-organization"}] if session.status == "pending" else None,
        "created_at": milliseconds(session.created_at),
        "updated_at": milliseconds(session.updated_at),
    }


def find_all(tx: Transaction, query: Query) -> tuple[list[dict[str, Any]], int]:
    """Give a page of a user's or a client's sessions, and how many there are."""
    query.only(("user_id", "client_id", "status"))
    user_id, client_id, status = (query.one(name) for name in ("user_id", "client_id", "status"))
    if user_id is None and client_id is None:
        raise missing("user_id")
    if status is not None and status not in _STATUSES:
        raise invalid("status", "a status of sessions")
    rows = tx.rows(
        "SELECT * FROM sessions WHERE user_id = coalesce(?, user_id) AND id = coalesce(?, id) "
        "ORDER BY created_at DESC, rowid DESC",
        user_id,
        None if client_id is None else f"sess_{client_id.removeprefix('client_')}",
    )
    found = [_session(row, tx.now) for row in rows]
    meant = [one.id for one in found if status in {None, one.status}]
    limit, offset = query.page()
    return [show(tx, one) for one in meant[offset : offset + limit]], len(meant)


def sweep(tx: Transaction, now: float) -> None:
    """Forget sessions whose time was over long ago.

    One that was revoked stays: a token of it may be good for years.
    """
    old = now - 2 * _KEPT_SECONDS
    tx.run(f"DELETE FROM sessions WHERE {_OPEN} AND created_at < ?", old)  # noqa: S608 - fixed parts


def has_old(tx: Transaction, now: float) -> bool:
    """Say whether there may be something to sweep, without looking through all of them."""
    row = tx.row(f"SELECT created_at FROM sessions WHERE {_OPEN} ORDER BY rowid LIMIT 1")  # noqa: S608 - fixed parts
    return row is not None and row["created_at"] < now - 2 * _KEPT_SECONDS


def _with_user(tx: Transaction, session_id: str) -> dict[str, Any]:
    shown = show(tx, session_id)
    return shown | {"user": users.show(tx, shown["user_id"])}


def _session(row: sqlite3.Row, now: float) -> Session:
    status = row["status"]
    if status in {"active", "pending"} and now >= row["created_at"] + LIFE_SECONDS:
        status = "expired"
    return Session(
        row["id"],
        row["user_id"],
        row["org_id"],
        row["org_role"],
        tuple(row["org_permissions"].split()),
        status,
        row["created_at"],
        row["updated_at"],
    )
