"""Users: made by signing in or by the Backend API, and shown as Clerk's SDKs read them."""

import json
import re
import sqlite3
from typing import Any

from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction, new_id
from doorward.standin.outbox import publish
from doorward.standin.refusals import Refused, invalid, not_found, taken
from doorward.standin.shapes import metadata_changes, metadata_of, milliseconds, times

METADATA = ("public_metadata", "private_metadata", "unsafe_metadata")
METADATA_APART = "2026-05-12"
"""From this version of the API on, metadata has calls of its own."""

_COLUMNS = ("external_id", "username", "first_name", "last_name")
_SETTINGS = (
    "bypass_client_trust",
    "create_organization_enabled",
    "create_organizations_limit",
    "delete_self_enabled",
    "legal_accepted_at",
    "locale",
    "timezone",
)
# These say how Clerk should check or store what the stand-in neither checks nor stores.
_UNUSED = (
    "notify_primary_email_address_changed",
    "password_digest",
    "password_hasher",
    "sign_out_of_other_sessions",
    "skip_legal_checks",
    "skip_password_checks",
    "skip_password_requirement",
    "skip_user_requirement",
)
_UPDATES = (*_COLUMNS, *_SETTINGS, *_UNUSED, "password", "primary_email_address_id")
_NUMBERS = {"create_organizations_limit"}
_TIMES = {"legal_accepted_at"}
_TEXT_SETTINGS = {"locale", "timezone"}
_NUMBER_MAX = 2**53
_EMAIL = re.compile(r"[^@\s]{1,128}@[^@\s]{1,128}")
_PHONE = re.compile(r"\+[0-9]{5,15}")
_FIRST_OF = "(SELECT value FROM identifications WHERE user_id = users.id AND kind = '{kind}')"
_ORDERS = {
    **{name: name for name in ("created_at", "updated_at", *_COLUMNS[1:], "last_sign_in_at")},
    "last_active_at": "last_sign_in_at",
    "email_address": _FIRST_OF.replace("{kind}", "email_address"),
    "phone_number": _FIRST_OF.replace("{kind}", "phone_number"),
}


def find(tx: Transaction, user_id: str) -> sqlite3.Row:
    """Give a user's row; raises Refused when there is none."""
    row = tx.row("SELECT * FROM users WHERE id = ?", user_id)
    if row is None:
        raise not_found("User")
    return row


def ensure(tx: Transaction, name: str) -> str:
    """Give the id of the user that a short name stands for, made when there is none."""
    user_id = name if name.startswith("user_") else f"user_{name}"
    found = "SELECT id FROM users WHERE id = ? OR username = ? ORDER BY id = ? DESC"
    known = tx.row(found, user_id, name, user_id)
    if known is not None:
        return str(known["id"])
    short = user_id.removeprefix("user_")
    tx.insert(
        "users",
        id=user_id,
        first_name=short[:1].upper() + short[1:],
        created_at=tx.now,
        updated_at=tx.now,
    )
    address = f"{re.sub(r'[^a-z0-9._+-]', '-', short.lower())}@example.com"
    if not _is_taken(tx, "email_address", address):
        _identify(tx, user_id, "email_address", address)
    publish(tx, "user.created", show, user_id)
    return user_id


def create(tx: Transaction, fields: Fields) -> str:
    """Make a user of what the Backend API is given; gives its id.

    Raises Refused, also for an address or name that another user has.
    """
    fields.only((*_UPDATES, *METADATA, "email_address", "phone_number", "created_at"))
    user_id = new_id("user")
    columns = {name: _free(tx, name, fields.text(name), user_id) for name in _COLUMNS}
    tx.insert(
        "users",
        id=user_id,
        **columns,
        settings=json.dumps(_settings({}, fields)),
        **metadata_changes(None, fields, METADATA, merge=False),
        created_at=fields.time("created_at") or tx.now,
        updated_at=tx.now,
    )
    for address in fields.texts("email_address"):
        add_identification(tx, user_id, "email_address", address)
    for number in fields.texts("phone_number"):
        add_identification(tx, user_id, "phone_number", number)
    publish(tx, "user.created", show, user_id)
    return user_id


def update(tx: Transaction, user_id: str, fields: Fields, *, metadata_apart: bool = False) -> None:
    """Change what is given of a user; raises Refused.

    ``metadata_apart``: metadata is not a parameter, as Clerk's newest API version has it.
    """
    fields.only(_UPDATES if metadata_apart else (*_UPDATES, *METADATA))
    row = find(tx, user_id)
    changes: dict[str, Any] = {
        name: _free(tx, name, fields.text(name), user_id) for name in _COLUMNS if name in fields
    }
    changes["settings"] = json.dumps(_settings(json.loads(row["settings"]), fields))
    changes |= metadata_changes(row, fields, METADATA, merge=False)
    tx.update("users", user_id, **changes)
    primary = fields.text("primary_email_address_id")
    if primary is not None:
        _make_primary(tx, user_id, primary)
    publish(tx, "user.updated", show, user_id)


def set_metadata(tx: Transaction, user_id: str, fields: Fields, *, merge: bool) -> None:
    """Merge metadata into what is there, or put it in its place; raises Refused."""
    fields.only(METADATA)
    changes = metadata_changes(find(tx, user_id), fields, METADATA, merge=merge)
    tx.update("users", user_id, **changes)
    publish(tx, "user.updated", show, user_id)


def add_identification(tx: Transaction, user_id: str, kind: str, value: str) -> None:
    """Give a user an address or number, verified; raises Refused when another has it."""
    if kind == "email_address":
        ensure_address(value)
    elif not _PHONE.fullmatch(value):
        raise invalid(kind, "a number such as +15550100")
    if _is_taken(tx, kind, value):
        raise taken(kind)
    _identify(tx, user_id, kind, value)


def ensure_address(address: str) -> None:
    """Let nothing pass for an email address that is none; raises Refused."""
    if not _EMAIL.fullmatch(address):
        raise invalid("email_address", "an address")


def id_by_email(tx: Transaction, address: str) -> str | None:
    """Give the user who has an address."""
    found = "SELECT user_id FROM identifications WHERE kind = 'email_address' AND value = ?"
    row = tx.row(found, address)
    return None if row is None else str(row["user_id"])


def show(tx: Transaction, user_id: str) -> dict[str, Any]:
    """Give a user as the Backend API does; raises Refused when there is none."""
    row = find(tx, user_id)
    emails = _identifications(tx, user_id, "email_address")
    phones = _identifications(tx, user_id, "phone_number")
    left = None if row["locked_until"] is None else row["locked_until"] - tx.now
    locked = left is not None and left > 0
    shown = _NOT_HERE | dict.fromkeys(_NUMBERS | _TIMES | _TEXT_SETTINGS)
    return (
        shown
        | dict[str, Any](json.loads(row["settings"]))
        | {
            "id": user_id,
            **{name: row[name] for name in _COLUMNS},
            "primary_email_address_id": emails[0]["id"] if emails else None,
            "primary_phone_number_id": phones[0]["id"] if phones else None,
            "email_addresses": emails,
            "phone_numbers": phones,
            **metadata_of(row, *METADATA),
            "banned": bool(row["banned"]),
            "locked": locked,
            "lockout_expires_in_seconds": int(left) if left is not None and locked else None,
            "last_sign_in_at": milliseconds(row["last_sign_in_at"]),
            "last_active_at": milliseconds(row["last_sign_in_at"]),
            **times(row),
        }
    )


def identifier(tx: Transaction, row: sqlite3.Row) -> str:
    """Give what a user is called in a list: an address, a name, else the id."""
    emails = _identifications(tx, row["id"], "email_address")
    return str(emails[0]["email_address"] if emails else row["username"] or row["id"])


def find_all(tx: Transaction, query: Query) -> list[dict[str, Any]]:
    """Give the page of users that a query asks for."""
    where, values = _filter(query)
    limit, offset = query.page()
    sql = f"SELECT id FROM users WHERE {where} {query.order(_ORDERS)} LIMIT ? OFFSET ?"  # noqa: S608 - fixed parts
    return [show(tx, row["id"]) for row in tx.rows(sql, *values, limit, offset)]


def count(tx: Transaction, query: Query) -> int:
    """Give how many users a query means."""
    where, values = _filter(query)
    return tx.count(f"SELECT count(*) FROM users WHERE {where}", *values)  # noqa: S608 - fixed parts


_IDENTIFIED = (
    "id IN (SELECT user_id FROM identifications WHERE kind = '{kind}' AND value IN ({marks}))"
)
_FILTERS = {
    "user_id": "id IN ({marks})",
    "username": "username IN ({marks})",
    "external_id": "external_id IN ({marks})",
    "email_address": _IDENTIFIED.replace("{kind}", "email_address"),
    "phone_number": _IDENTIFIED.replace("{kind}", "phone_number"),
    "organization_id": "id IN (SELECT user_id FROM memberships WHERE org_id IN ({marks}))",
}
_NAME = "lower(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))"
_OF_KIND_WITH = "kind LIKE '{kind}' AND instr(lower(value), ?)"
_HAS = f"id IN (SELECT user_id FROM identifications WHERE {_OF_KIND_WITH})"  # noqa: S608 - fixed parts
_SEARCHES = {
    "name_query": f"instr({_NAME}, ?)",
    "username_query": "instr(lower(username), ?)",
    "email_address_query": _HAS.replace("{kind}", "email_address"),
    "phone_number_query": _HAS.replace("{kind}", "phone_number"),
}
_ANYWHERE = (
    f"(lower(id) = ? OR instr(lower(coalesce(username, '')), ?) OR instr({_NAME}, ?) OR "
    + _HAS.replace("{kind}", "%")
    + ")"
)
_MOMENTS = {
    "created_at_after": "created_at > ?",
    "created_at_before": "created_at < ?",
    "last_active_at_after": "last_sign_in_at > ?",
    "last_active_at_before": "last_sign_in_at < ?",
    "last_active_at_since": "last_sign_in_at >= ?",
    "last_sign_in_at_after": "last_sign_in_at > ?",
    "last_sign_in_at_before": "last_sign_in_at < ?",
}


def _filter(query: Query) -> tuple[str, list[Any]]:
    """Give a condition of fixed parts, and the caller's values beside it; raises Refused."""
    query.only((*_FILTERS, *_SEARCHES, *_MOMENTS, "query", "banned"))
    parts, values = ["1"], list[Any]()
    for name, part in _FILTERS.items():
        given = query.all(name)
        if given:
            parts.append(part.replace("{marks}", ", ".join("?" * len(given))))
            values += given
    for name, part in (_SEARCHES | {"query": _ANYWHERE}).items():
        words = query.one(name)
        if words:
            parts.append(part)
            values += [words.lower()] * part.count("?")
    for name, part in _MOMENTS.items():
        moment = query.moment(name)
        if moment is not None:
            parts.append(part)
            values.append(moment)
    banned = query.flag("banned")
    if banned is not None:
        parts.append("banned = ?")
        values.append(int(banned))
    return " AND ".join(parts), values


def _settings(before: dict[str, Any], fields: Fields) -> dict[str, Any]:
    settings = dict(before)
    for name in _SETTINGS:
        if name not in fields:
            continue
        if name in _NUMBERS:
            settings[name] = fields.whole(name, low=0, high=_NUMBER_MAX)
        elif name in _TIMES:
            settings[name] = milliseconds(fields.time(name))
        elif name in _TEXT_SETTINGS:
            settings[name] = fields.text(name)
        else:
            settings[name] = fields.flag(name)
    if fields.text("password") or fields.text("password_digest"):
        settings["password_enabled"] = True  # nobody signs in with one here, so it is not kept
    return settings


def _free(tx: Transaction, name: str, value: str | None, user_id: str) -> str | None:
    """Give a value of a column; raises Refused when another user has what only one may have."""
    if value and name in {"external_id", "username"}:
        sql = f"SELECT 1 FROM users WHERE {name} = ? AND id != ?"  # noqa: S608 - one of two names
        if tx.row(sql, value, user_id):
            raise taken(name)
    return value or None


def _make_primary(tx: Transaction, user_id: str, identification_id: str) -> None:
    """Let an address of the user come first; raises Refused when it is not theirs."""
    first = "SELECT min(created_at) FROM identifications WHERE user_id = ?"
    changed = tx.run(
        f"UPDATE identifications SET created_at = ({first}) - 1 WHERE id = ? AND user_id = ?",  # noqa: S608 - fixed parts
        user_id,
        identification_id,
        user_id,
    )
    if not changed:
        raise Refused(
            404, "resource_not_found", "Email address not found", "primary_email_address_id"
        )


def _is_taken(tx: Transaction, kind: str, value: str) -> bool:
    found = "SELECT 1 FROM identifications WHERE kind = ? AND value = ?"
    return tx.row(found, kind, value) is not None


def _identify(tx: Transaction, user_id: str, kind: str, value: str) -> None:
    tx.insert(
        "identifications",
        id=new_id("idn"),
        user_id=user_id,
        kind=kind,
        value=value,
        created_at=tx.now,
    )


def _identifications(tx: Transaction, user_id: str, kind: str) -> list[dict[str, Any]]:
    """Give a user's addresses or numbers, the primary one first."""
    sql = "SELECT * FROM identifications WHERE user_id = ? AND kind = ? ORDER BY created_at, rowid"
    return [
        {
            "id": row["id"],
            "object": kind,
            kind: row["value"],
            "reserved": False,
            "verification": {
                "object": "verification_admin",
                "status": "verified",
                "strategy": "admin",
                "attempts": None,
                "expire_at": None,
            },
            "linked_to": [],
            "created_at": milliseconds(row["created_at"]),
            "updated_at": milliseconds(row["created_at"]),
        }
        | _OF_KIND[kind]
        for row in tx.rows(sql, user_id, kind)
    ]


_OF_KIND: dict[str, dict[str, Any]] = {
    "email_address": {"matches_sso_connection": False},
    "phone_number": {"reserved_for_second_factor": False, "default_second_factor": False},
}
_NOT_HERE: dict[str, Any] = {
    "object": "user",
    "image_url": "",
    "profile_image_url": "",
    "has_image": False,
    "primary_web3_wallet_id": None,
    "web3_wallets": [],
    "passkeys": [],
    "external_accounts": [],
    "saml_accounts": [],
    "enterprise_accounts": [],
    "two_factor_enabled": False,
    "totp_enabled": False,
    "backup_code_enabled": False,
    "mfa_enabled_at": None,
    "mfa_disabled_at": None,
    "password_last_updated_at": None,
    "verification_attempts_remaining": None,
    "deprovisioned": False,
    "scim": None,
    "bypass_client_trust": False,
    "create_organization_enabled": True,
    "delete_self_enabled": True,
    "password_enabled": False,
}
