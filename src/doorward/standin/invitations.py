"""Invitations, to the application and to organizations."""

import sqlite3
from typing import Any

from doorward.standin import memberships, organizations, users
from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction, new_id
from doorward.standin.outbox import publish
from doorward.standin.refusals import Refused, not_found, taken
from doorward.standin.shapes import deleted, metadata_changes, metadata_of, milliseconds, times

_DAYS = 30
_DAYS_MAX = 365
_DAY_SECONDS = 24 * 3600
_METADATA = ("public_metadata", "private_metadata")
_ORDERS = {name: name for name in ("created_at", "email_address")}
Page = tuple[list[dict[str, Any]], int]
_APPLICATION = ("notify", "ignore_existing", "template_slug")


def find(tx: Transaction, invitation_id: str, org_id: str | None = None) -> sqlite3.Row:
    """Give an invitation's row, of the organization when one is named; raises Refused."""
    found = "SELECT * FROM invitations WHERE id = ? AND org_id IS ?"
    row = tx.row(found, invitation_id, org_id)
    if row is None:
        raise not_found("Invitation")
    return row


def invite(tx: Transaction, fields: Fields) -> str:
    """Invite somebody to the application; gives the invitation's id. Raises Refused."""
    fields.only(
        ("email_address", "public_metadata", "redirect_url", "expires_in_days", *_APPLICATION)
    )
    address = fields.required("email_address")
    if not fields.flag("ignore_existing") and users.id_by_email(tx, address):
        raise taken("email_address")
    return _add(tx, fields)


def invite_to(tx: Transaction, org_id: str, fields: Fields) -> str:
    """Invite somebody to an organization; gives the invitation's id. Raises Refused."""
    names = (
        "email_address",
        "role",
        "inviter_user_id",
        "redirect_url",
        "expires_in_days",
        "notify",
    )
    fields.only((*names, *_METADATA))
    user_id = users.id_by_email(tx, fields.required("email_address"))
    if user_id and memberships.role_of(tx, user_id, org_id):
        raise Refused(400, "already_a_member_in_organization", "The user is a member already.")
    inviter = fields.text("inviter_user_id")
    if inviter:
        users.find(tx, inviter)
    role = memberships.role_named(fields.required("role"))
    invitation_id = _add(tx, fields, org_id=org_id, role=role, inviter_id=inviter)
    publish(tx, "organizationInvitation.created", show, invitation_id)
    return invitation_id


def revoke(tx: Transaction, invitation_id: str, org_id: str | None = None) -> None:
    """Take an invitation back that nobody has accepted; raises Refused."""
    row = find(tx, invitation_id, org_id)
    _ensure_pending(tx, row)
    tx.update("invitations", invitation_id, status="revoked")
    if org_id is not None:
        publish(tx, "organizationInvitation.revoked", show, invitation_id)


def accept(tx: Transaction, invitation_id: str) -> str:
    """Accept an invitation for its address; gives the user's id. Raises Refused."""
    row = tx.row("SELECT * FROM invitations WHERE id = ?", invitation_id)
    if row is None:
        raise not_found("Invitation")
    _ensure_pending(tx, row)
    address = row["email_address"]
    user_id = users.id_by_email(tx, address)
    if user_id is None:
        metadata = {} if row["org_id"] else metadata_of(row, "public_metadata")
        user_id = users.create(tx, Fields({"email_address": [address], **metadata}))
    tx.update("invitations", invitation_id, status="accepted")
    if row["org_id"] is not None:
        metadata = {name: row[name] for name in _METADATA}
        memberships.add(tx, user_id, row["org_id"], row["role"], metadata)
        who = {"user_id": user_id}
        publish(tx, "organizationInvitation.accepted", lambda t, i: show(t, i) | who, invitation_id)
    return user_id


def show(tx: Transaction, invitation_id: str) -> dict[str, Any]:
    """Give an invitation as the Backend API does; raises Refused when there is none."""
    row = tx.row("SELECT * FROM invitations WHERE id = ?", invitation_id)
    if row is None:
        raise not_found("Invitation")
    shown = {
        "object": "invitation" if row["org_id"] is None else "organization_invitation",
        "id": row["id"],
        "email_address": row["email_address"],
        "status": status_of(tx, row),
        "url": row["url"],
        "expires_at": milliseconds(row["expires_at"]),
        **metadata_of(row, "public_metadata"),
        **times(row),
    }
    if row["org_id"] is None:
        return shown | {"revoked": row["status"] == "revoked"}
    inviter = row["inviter_id"]
    there = inviter and tx.row("SELECT 1 FROM users WHERE id = ?", inviter)
    return shown | {
        "role": row["role"],
        "role_name": memberships.role_name(row["role"]),
        "organization_id": row["org_id"],
        "inviter_id": inviter,
        "public_inviter_data": memberships.public_data(tx, inviter) if there else None,
        **metadata_of(row, "private_metadata"),
    }


def status_of(tx: Transaction, row: sqlite3.Row) -> str:
    """Give the status, which an invitation's age changes without anybody's doing."""
    over = row["expires_at"] is not None and tx.now >= row["expires_at"]
    return "expired" if over and row["status"] == "pending" else str(row["status"])


def find_all(
    tx: Transaction, query: Query, org_id: str | None = None, status: str | None = None
) -> Page:
    """Give a page of invitations to the application or an organization, and how many there are."""
    words = (query.one("query") or query.one("email_address") or "").lower()
    return _page(
        tx, query, "org_id IS ? AND instr(lower(email_address), ?)", [org_id, words], status
    )


def find_all_to_organizations(tx: Transaction, query: Query) -> Page:
    """Give a page of the invitations to all organizations, and how many there are."""
    return _page(tx, query, "org_id IS NOT NULL", [])


def find_all_of(tx: Transaction, query: Query, user_id: str) -> Page:
    """Give a page of the invitations to organizations that a user has; raises Refused."""
    user = users.show(tx, user_id)
    addresses = [one["email_address"] for one in user["email_addresses"]]
    marks = ", ".join("?" * len(addresses))
    return _page(tx, query, f"org_id IS NOT NULL AND email_address IN ({marks})", addresses)


def delete(tx: Transaction, invitation_id: str) -> dict[str, Any]:
    """Delete an invitation to the application, accepted or not; raises Refused."""
    find(tx, invitation_id)
    tx.run("DELETE FROM invitations WHERE id = ?", invitation_id)
    return deleted("invitation", invitation_id)


def _page(
    tx: Transaction, query: Query, where: str, values: list[Any], status: str | None = None
) -> Page:
    """Give a page of what a condition of fixed parts means."""
    sql = f"SELECT * FROM invitations WHERE {where} {query.order(_ORDERS)}"  # noqa: S608 - fixed parts
    wanted = [status] if status else query.all("status")
    rows = [row for row in tx.rows(sql, *values) if not wanted or status_of(tx, row) in wanted]
    limit, offset = query.page()
    return [show(tx, row["id"]) for row in rows[offset : offset + limit]], len(rows)


def _add(tx: Transaction, fields: Fields, **columns: Any) -> str:
    days = fields.whole("expires_in_days", low=1, high=_DAYS_MAX) or _DAYS
    invitation_id = new_id("inv" if columns.get("org_id") is None else "orginv")
    address = fields.required("email_address")
    users.ensure_address(address)
    _ensure_first(tx, address, columns.get("org_id"), again=bool(fields.flag("ignore_existing")))
    tx.insert(
        "invitations",
        id=invitation_id,
        email_address=address,
        status="pending",
        url=fields.text("redirect_url"),
        expires_at=tx.now + days * _DAY_SECONDS,
        **metadata_changes(None, fields, _METADATA, merge=False),
        **columns,
        created_at=tx.now,
        updated_at=tx.now,
    )
    return invitation_id


def _ensure_first(tx: Transaction, address: str, org_id: str | None, *, again: bool) -> None:
    sql = "SELECT * FROM invitations WHERE email_address = ? AND org_id IS ?"
    waiting = [row for row in tx.rows(sql, address, org_id) if status_of(tx, row) == "pending"]
    if waiting and not again:
        raise Refused(400, "duplicate_record", "There is an invitation for this address already.")


def _ensure_pending(tx: Transaction, row: sqlite3.Row) -> None:
    status = status_of(tx, row)
    if status != "pending":
        raise Refused(400, f"invitation_already_{status}", f"This invitation is {status}.")
    if row["org_id"] is not None:
        organizations.find(tx, row["org_id"])
