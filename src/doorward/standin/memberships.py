"""Memberships: who belongs to an organization, and in which role."""

import sqlite3
from typing import Any

from doorward.standin import organizations, users
from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction, new_id
from doorward.standin.outbox import publish
from doorward.standin.refusals import Refused, invalid, not_found
from doorward.standin.shapes import metadata_changes, metadata_of, times

METADATA = ("public_metadata", "private_metadata")
MEMBER = "org:member"
ADMIN = "org:admin"
_ROLE_CHARACTERS_MAX = 64
_ORDERS = {name: name for name in ("created_at", "updated_at", "role")}

# What Clerk's two first roles may do; tokens never carry these.
_SYSTEM = {
    MEMBER: ["org:sys_memberships:read"],
    ADMIN: [
        "org:sys_domains:manage",
        "org:sys_domains:read",
        "org:sys_memberships:manage",
        "org:sys_memberships:read",
        "org:sys_profile:delete",
        "org:sys_profile:manage",
    ],
}


_SEARCHED = """user_id IN (SELECT id FROM users WHERE lower(id) = ? OR
  instr(lower(coalesce(username, '') || ' ' || coalesce(first_name, '') || ' ' ||
    coalesce(last_name, '')), ?) OR
  id IN (SELECT user_id FROM identifications WHERE instr(lower(value), ?)))"""


def role_named(role: str) -> str:
    """Give a role in full: ``admin`` is ``org:admin``; raises Refused for what is none."""
    short = role.removeprefix("org:")
    if not short or len(short) > _ROLE_CHARACTERS_MAX or any(c.isspace() for c in short):
        raise invalid("role", "a role such as org:admin")
    return f"org:{short}"


def find(tx: Transaction, org_id: str, user_id: str) -> sqlite3.Row:
    """Give a membership's row; raises Refused when there is none."""
    row = _row(tx, user_id, organizations.find(tx, org_id)["id"])
    if row is None:
        raise not_found("Organization membership")
    return row


def role_of(tx: Transaction, user_id: str, org_id: str) -> str | None:
    """Give a member's role, nothing for whoever is none."""
    row = _row(tx, user_id, org_id)
    return None if row is None else str(row["role"])


def ensure(tx: Transaction, user_id: str, org_id: str, role: str | None) -> None:
    """Make a user a member in a role.

    Where none is named, a role that the API gave stays; any other sign-in makes a plain member,
    so that one test's admin is not the next one's.
    """
    row = _row(tx, user_id, org_id)
    if row is None:
        add(tx, user_id, org_id, role_named(role or MEMBER), {"implied": 1})
        return
    wanted = role_named(role or (MEMBER if row["implied"] else row["role"]))
    if wanted != row["role"]:
        tx.update("memberships", row["id"], role=wanted)
        publish(tx, "organizationMembership.updated", show, row["id"])


def create(tx: Transaction, org_id: str, fields: Fields) -> str:
    """Make a user a member as the API is told; gives the membership's id. Raises Refused."""
    fields.only(("user_id", "role", *METADATA))
    organization = organizations.find(tx, org_id)
    user = users.find(tx, fields.required("user_id"))
    role = role_named(fields.required("role"))
    if role_of(tx, user["id"], organization["id"]) is not None:
        raise Refused(400, "already_a_member_in_organization", "The user is a member already.")
    changes = metadata_changes(None, fields, METADATA, merge=False)
    return add(tx, user["id"], organization["id"], role, changes)


def set_role(tx: Transaction, user_id: str, org_id: str, role: str) -> None:
    """Give a member another role; raises Refused."""
    row = find(tx, org_id, user_id)
    tx.update("memberships", row["id"], role=role_named(role), implied=0)
    publish(tx, "organizationMembership.updated", show, row["id"])


def set_metadata(tx: Transaction, org_id: str, user_id: str, fields: Fields) -> None:
    """Merge metadata into a membership's; raises Refused."""
    fields.only(METADATA)
    row = find(tx, org_id, user_id)
    tx.update("memberships", row["id"], **metadata_changes(row, fields, METADATA, merge=True))
    publish(tx, "organizationMembership.updated", show, row["id"])


def delete(tx: Transaction, org_id: str, user_id: str) -> dict[str, Any]:
    """End a membership and give what it was; raises Refused when there is none."""
    row = find(tx, org_id, user_id)
    shown = show(tx, row["id"])
    publish(tx, "organizationMembership.deleted", show, row["id"])
    tx.run("DELETE FROM memberships WHERE id = ?", row["id"])
    return shown


def delete_all(tx: Transaction, *, user_id: str | None = None, org_id: str | None = None) -> None:
    """End every membership of a user, or of an organization."""
    sql = "SELECT org_id, user_id FROM memberships WHERE user_id = ? OR org_id = ?"
    for row in tx.rows(sql, user_id, org_id):
        delete(tx, row["org_id"], row["user_id"])


def show(tx: Transaction, membership_id: str) -> dict[str, Any]:
    """Give a membership as the Backend API does."""
    row = tx.row("SELECT * FROM memberships WHERE id = ?", membership_id)
    if row is None:
        raise not_found("Organization membership")
    return {
        "object": "organization_membership",
        "id": row["id"],
        "role": row["role"],
        "role_name": role_name(row["role"]),
        "permissions": _SYSTEM.get(row["role"], []),
        **metadata_of(row, *METADATA),
        "organization": organizations.show(tx, row["org_id"]),
        "public_user_data": public_data(tx, row["user_id"]),
        **times(row),
    }


def role_name(role: str) -> str:
    """Give a role as people read it: ``Admin``."""
    return role.removeprefix("org:").replace("_", " ").capitalize()


def public_data(tx: Transaction, user_id: str) -> dict[str, Any]:
    """Give what other members see of a user."""
    row = users.find(tx, user_id)
    return {
        "user_id": row["id"],
        "identifier": users.identifier(tx, row),
        "username": row["username"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "image_url": "",
        "profile_image_url": "",
        "has_image": False,
        "banned": bool(row["banned"]),
        "deprovisioned": False,
    }


def find_all(
    tx: Transaction, query: Query, *, org_id: str | None = None, user_id: str | None = None
) -> tuple[list[dict[str, Any]], int]:
    """Give a page of the memberships of an organization or of a user, and how many there are."""
    query.only(("user_id", "role", "query"))
    parts, values = ["1"], list[Any]()
    words = query.one("query")
    if words:
        parts.append(_SEARCHED)
        values += [words.lower()] * _SEARCHED.count("?")
    for column, given in (
        ("org_id", [org_id] if org_id else []),
        ("user_id", [user_id] if user_id else query.all("user_id")),
        ("role", query.all("role")),
    ):
        if given:
            parts.append(f"{column} IN ({', '.join('?' * len(given))})")
            values += given
    where = " AND ".join(parts)
    limit, offset = query.page()
    sql = f"SELECT id FROM memberships WHERE {where} {query.order(_ORDERS)} LIMIT ? OFFSET ?"  # noqa: S608 - fixed parts
    rows = tx.rows(sql, *values, limit, offset)
    total = tx.count(f"SELECT count(*) FROM memberships WHERE {where}", *values)  # noqa: S608 - fixed parts
    return [show(tx, row["id"]) for row in rows], total


def _ensure_room(tx: Transaction, org_id: str) -> None:
    allowed = organizations.find(tx, org_id)["max_allowed_memberships"]
    held = tx.count("SELECT count(*) FROM memberships WHERE org_id = ?", org_id)
    if 0 < allowed <= held:  # none means any number
        raise Refused(
            403,
            "organization_membership_quota_exceeded",
            f"The organization has {held} members, and may have no more.",
        )


def _row(tx: Transaction, user_id: str, org_id: str) -> sqlite3.Row | None:
    return tx.row("SELECT * FROM memberships WHERE user_id = ? AND org_id = ?", user_id, org_id)


def add(
    tx: Transaction, user_id: str, org_id: str, role: str, changes: dict[str, Any] | None = None
) -> str:
    """Make somebody who is no member one; gives the membership's id.

    Raises Refused when the organization has as many members as it may have.
    """
    _ensure_room(tx, org_id)
    membership_id = new_id("orgmem")
    tx.insert(
        "memberships",
        id=membership_id,
        user_id=user_id,
        org_id=org_id,
        role=role,
        **(changes or {}),
        created_at=tx.now,
        updated_at=tx.now,
    )
    publish(tx, "organizationMembership.created", show, membership_id)
    return membership_id
