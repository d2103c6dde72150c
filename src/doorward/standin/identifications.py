"""A user's email addresses and phone numbers, one by one; every one of them is verified here."""

from typing import Any

from doorward.standin import users
from doorward.standin.fields import Fields
from doorward.standin.file import Transaction
from doorward.standin.outbox import publish
from doorward.standin.refusals import invalid, not_found
from doorward.standin.shapes import deleted

EMAIL = "email_address"
PHONE = "phone_number"
_LISTS = {EMAIL: "email_addresses", PHONE: "phone_numbers"}
_CHANGES = {
    EMAIL: ("verified", "primary", "notify_primary_email_address_changed"),
    PHONE: ("verified", "reserved_for_second_factor"),
}


def create(tx: Transaction, kind: str, fields: Fields) -> dict[str, Any]:
    """Give a user one more, and show it; raises Refused, also when somebody has it."""
    fields.only(("user_id", kind, *_CHANGES[kind]))
    user_id = str(users.find(tx, fields.required("user_id"))["id"])
    value = fields.required(kind)
    users.add_identification(tx, user_id, kind, value)
    made = tx.row("SELECT id FROM identifications WHERE kind = ? AND value = ?", kind, value)
    if made is None:
        raise not_found("Identification")
    return _changed(tx, kind, made["id"], fields)


def update(tx: Transaction, kind: str, identification_id: str, fields: Fields) -> dict[str, Any]:
    """Change what is given of one, and show it; raises Refused."""
    fields.only(_CHANGES[kind])
    return _changed(tx, kind, identification_id, fields)


def delete(tx: Transaction, kind: str, identification_id: str) -> dict[str, Any]:
    """Take one from its user, whose next one becomes the primary; raises Refused."""
    user_id = _owner(tx, kind, identification_id)
    tx.run("DELETE FROM identifications WHERE id = ?", identification_id)
    publish(tx, "user.updated", users.show, user_id)
    return deleted(kind, identification_id)


def show(tx: Transaction, kind: str, identification_id: str) -> dict[str, Any]:
    """Give one as the Backend API does; raises Refused when there is none."""
    user = users.show(tx, _owner(tx, kind, identification_id))
    found: dict[str, Any] = next(
        one for one in user[_LISTS[kind]] if one["id"] == identification_id
    )
    return found


def _changed(tx: Transaction, kind: str, identification_id: str, fields: Fields) -> dict[str, Any]:
    user_id = _owner(tx, kind, identification_id)
    if fields.flag("verified") is False:
        raise invalid("verified", "true, which every one is here")
    if fields.flag("reserved_for_second_factor"):
        raise invalid("reserved_for_second_factor", "false, since there are no second factors here")
    first = {"primary_email_address_id": identification_id} if fields.flag("primary") else {}
    users.update(tx, user_id, Fields(first))
    return show(tx, kind, identification_id)


def _owner(tx: Transaction, kind: str, identification_id: str) -> str:
    found = "SELECT user_id FROM identifications WHERE id = ? AND kind = ?"
    row = tx.row(found, identification_id, kind)
    if row is None:
        raise not_found("Email address" if kind == EMAIL else "Phone number")
    return str(row["user_id"])
