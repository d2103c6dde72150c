"""Whether a user or an organization may go on: bans, locks, and the end of either."""

from typing import Any

from doorward.standin import memberships, organizations, sessions, users
from doorward.standin.file import Transaction
from doorward.standin.outbox import publish
from doorward.standin.shapes import deleted

LOCK_SECONDS = 3600.0


def ban(tx: Transaction, user_id: str) -> None:
    """Ban a user, all of whose sessions are over at once; raises Refused."""
    users.find(tx, user_id)
    tx.update("users", user_id, banned=1)
    sessions.end_all(tx, user_id)
    publish(tx, "user.updated", users.show, user_id)


def unban(tx: Transaction, user_id: str) -> None:
    """Let a user sign in again; raises Refused."""
    users.find(tx, user_id)
    tx.update("users", user_id, banned=0)
    publish(tx, "user.updated", users.show, user_id)


def lock(tx: Transaction, user_id: str) -> None:
    """Let a user not sign in for an hour; sessions that they have go on. Raises Refused."""
    users.find(tx, user_id)
    tx.update("users", user_id, locked_until=tx.now + LOCK_SECONDS)
    publish(tx, "user.updated", users.show, user_id)


def unlock(tx: Transaction, user_id: str) -> None:
    """Let a locked user sign in again; raises Refused."""
    users.find(tx, user_id)
    tx.update("users", user_id, locked_until=None)
    publish(tx, "user.updated", users.show, user_id)


def delete_user(tx: Transaction, user_id: str) -> dict[str, Any]:
    """Delete a user with sessions, memberships and keys; raises Refused when there is none."""
    external_id = users.find(tx, user_id)["external_id"]
    sessions.end_all(tx, user_id)
    memberships.delete_all(tx, user_id=user_id)
    _revoke_credentials(tx, user_id)
    tx.run("DELETE FROM identifications WHERE user_id = ?", user_id)
    tx.run("DELETE FROM users WHERE id = ?", user_id)
    left = deleted("user", user_id) | ({"external_id": external_id} if external_id else {})
    publish(tx, "user.deleted", lambda _, __: left, user_id)
    return left


def delete_organization(tx: Transaction, id_or_slug: str) -> dict[str, Any]:
    """Delete an organization with memberships, invitations and keys; raises Refused."""
    row = organizations.find(tx, id_or_slug)
    org_id: str = row["id"]
    memberships.delete_all(tx, org_id=org_id)
    tx.run("DELETE FROM invitations WHERE org_id = ?", org_id)
    _revoke_credentials(tx, org_id)
    tx.run("DELETE FROM organizations WHERE id = ?", org_id)
    left = deleted("organization", org_id) | {"slug": row["slug"]}
    publish(tx, "organization.deleted", lambda _, __: left, org_id)
    return left


def _revoke_credentials(tx: Transaction, subject: str) -> None:
    tx.run("UPDATE credentials SET revoked = 1 WHERE subject = ?", subject)
