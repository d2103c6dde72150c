"""Organizations: made by signing in to one or by the Backend API."""

import re
import sqlite3
from typing import Any

from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction, new_id
from doorward.standin.outbox import publish
from doorward.standin.refusals import invalid, not_found, taken
from doorward.standin.shapes import metadata_changes, metadata_of, times

METADATA = ("public_metadata", "private_metadata")
_UNLIMITED = 0
_MEMBERS_MAX = 2**31
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_ORDERS = {name: name for name in ("created_at", "updated_at", "name")}
_FILTERS = {
    "organization_id": "id IN ({marks})",
    "user_id": "id IN (SELECT org_id FROM memberships WHERE user_id IN ({marks}))",
}
_COLUMNS = ("name", "slug", "max_allowed_memberships", "admin_delete_enabled")


def find(tx: Transaction, id_or_slug: str) -> sqlite3.Row:
    """Give an organization's row; raises Refused when there is none."""
    row = _named(tx, id_or_slug, id_or_slug)
    if row is None:
        raise not_found("Organization")
    return row


def ensure(tx: Transaction, name: str, created_by: str) -> str:
    """Give the id of the organization that a short name stands for, made when there is none."""
    org_id = name if name.startswith("org_") else f"org_{name}"
    known = _named(tx, org_id, name)
    if known is not None:
        return str(known["id"])
    short = org_id.removeprefix("org_")
    slug = org_id if _named(tx, short, short) else short
    _add(tx, org_id, short[:1].upper() + short[1:], slug, created_by)
    return org_id


def create(tx: Transaction, fields: Fields) -> str:
    """Make an organization of what the Backend API is given; gives its id. Raises Refused."""
    fields.only((*_COLUMNS, *METADATA, "created_by", "created_at"))
    org_id, name = new_id("org"), fields.required("name")
    slug = fields.text("slug") or f"{_slugged(name)}-{org_id[-8:]}"
    _add(tx, org_id, name, _free_slug(tx, slug, org_id), fields.text("created_by"))
    at = fields.time("created_at")
    if at is not None:
        tx.run("UPDATE organizations SET created_at = ? WHERE id = ?", at, org_id)
    changes = _changes(tx, org_id, fields) | metadata_changes(None, fields, METADATA, merge=False)
    tx.update("organizations", org_id, **changes)
    return org_id


def update(tx: Transaction, org_id: str, fields: Fields, *, metadata_apart: bool = False) -> None:
    """Change what is given of an organization; raises Refused."""
    fields.only(_COLUMNS if metadata_apart else (*_COLUMNS, *METADATA))
    row = find(tx, org_id)
    changes = _changes(tx, row["id"], fields)
    changes |= metadata_changes(row, fields, METADATA, merge=True)
    tx.update("organizations", row["id"], **changes)
    publish(tx, "organization.updated", show, row["id"])


def set_metadata(tx: Transaction, org_id: str, fields: Fields, *, merge: bool) -> None:
    """Merge metadata into what is there, or put it in its place; raises Refused."""
    fields.only(METADATA)
    row = find(tx, org_id)
    changes = metadata_changes(row, fields, METADATA, merge=merge)
    tx.update("organizations", row["id"], **changes)
    publish(tx, "organization.updated", show, row["id"])


def show(tx: Transaction, id_or_slug: str) -> dict[str, Any]:
    """Give an organization as the Backend API does; raises Refused when there is none."""
    row = find(tx, id_or_slug)
    counted = "SELECT count(*) FROM memberships WHERE org_id = ?"
    pending = "SELECT count(*) FROM invitations WHERE org_id = ? AND status = 'pending'"
    return {
        "object": "organization",
        "id": row["id"],
        "name": row["name"],
        "slug": row["slug"],
        "image_url": "",
        "has_image": False,
        "members_count": tx.count(counted, row["id"]),
        "pending_invitations_count": tx.count(pending, row["id"]),
        "max_allowed_memberships": row["max_allowed_memberships"],
        "admin_delete_enabled": bool(row["admin_delete_enabled"]),
        "created_by": row["created_by"],
        "role_set_key": None,
        **metadata_of(row, *METADATA),
        **times(row),
    }


def find_all(tx: Transaction, query: Query) -> tuple[list[dict[str, Any]], int]:
    """Give a page of organizations, and how many there are."""
    words = (query.one("query") or "").lower()
    where = "(? = '' OR instr(lower(name || ' ' || slug || ' ' || id), ?))"
    values: list[Any] = [words, words]
    for name, part in _FILTERS.items():
        given = query.all(name)
        if given:
            where += f" AND {part.replace('{marks}', ', '.join('?' * len(given)))}"
            values += given
    limit, offset = query.page()
    sql = f"SELECT id FROM organizations WHERE {where} {query.order(_ORDERS)} LIMIT ? OFFSET ?"  # noqa: S608 - fixed parts
    rows = tx.rows(sql, *values, limit, offset)
    total = tx.count(f"SELECT count(*) FROM organizations WHERE {where}", *values)  # noqa: S608 - fixed parts
    return [show(tx, row["id"]) for row in rows], total


def _named(tx: Transaction, org_id: str, slug: str) -> sqlite3.Row | None:
    """Give the organization of an id, else the one of a slug, which may look like an id."""
    found = "SELECT * FROM organizations WHERE id = ? OR slug = ? ORDER BY id = ? DESC"
    return tx.row(found, org_id, slug, org_id)


def _add(tx: Transaction, org_id: str, name: str, slug: str, created_by: str | None) -> None:
    tx.insert(
        "organizations",
        id=org_id,
        name=name,
        slug=slug,
        created_by=created_by,
        max_allowed_memberships=_UNLIMITED,
        created_at=tx.now,
        updated_at=tx.now,
    )
    publish(tx, "organization.created", show, org_id)


def _changes(tx: Transaction, org_id: str, fields: Fields) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if fields.text("name"):
        changes["name"] = fields.text("name")
    if fields.text("slug"):
        changes["slug"] = _free_slug(tx, fields.required("slug"), org_id)
    members = fields.whole("max_allowed_memberships", low=0, high=_MEMBERS_MAX)
    if members is not None:
        changes["max_allowed_memberships"] = members
    deletable = fields.flag("admin_delete_enabled")
    if deletable is not None:
        changes["admin_delete_enabled"] = int(deletable)
    return changes


def _slugged(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100] or "organization"


def _free_slug(tx: Transaction, slug: str, org_id: str) -> str:
    if not _SLUG.fullmatch(slug):
        raise invalid("slug", "lower-case letters, digits, - and _")
    if tx.row("SELECT 1 FROM organizations WHERE slug = ? AND id != ?", slug, org_id):
        raise taken("slug")
    return slug
