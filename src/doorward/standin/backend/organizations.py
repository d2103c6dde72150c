"""Organizations and their members, over the Backend API."""

from typing import Any

from doorward.standin import memberships, organizations, standing, users
from doorward.standin.ask import Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.shapes import listed


def _list(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*organizations.find_all(tx, ask.query))


def _get(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return organizations.show(tx, ask.path["org_id"])


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    created_by = ask.fields.text("created_by")
    if created_by:
        users.find(tx, created_by)
    org_id = organizations.create(tx, ask.fields)
    if created_by:
        memberships.add(tx, created_by, org_id, memberships.ADMIN)
    return organizations.show(tx, org_id)


def _update(tx: Transaction, ask: Ask) -> dict[str, Any]:
    apart = ask.api_version >= users.METADATA_APART
    org_id = organizations.find(tx, ask.path["org_id"])["id"]
    organizations.update(tx, org_id, ask.fields, metadata_apart=apart)
    return organizations.show(tx, org_id)


def _delete(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return standing.delete_organization(tx, ask.path["org_id"])


def _merge_metadata(tx: Transaction, ask: Ask) -> dict[str, Any]:
    organizations.set_metadata(tx, ask.path["org_id"], ask.fields, merge=True)
    return _get(tx, ask)


def _replace_metadata(tx: Transaction, ask: Ask) -> dict[str, Any]:
    organizations.set_metadata(tx, ask.path["org_id"], ask.fields, merge=False)
    return _get(tx, ask)


def _list_members(tx: Transaction, ask: Ask) -> dict[str, Any]:
    org_id = organizations.find(tx, ask.path["org_id"])["id"]
    return listed(*memberships.find_all(tx, ask.query, org_id=org_id))


def _list_all_members(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*memberships.find_all(tx, ask.query))


def _add_member(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return memberships.show(tx, memberships.create(tx, ask.path["org_id"], ask.fields))


def _update_member(tx: Transaction, ask: Ask) -> dict[str, Any]:
    memberships.set_role(tx, ask.path["user_id"], ask.path["org_id"], ask.fields.required("role"))
    return _show_member(tx, ask)


def _merge_member_metadata(tx: Transaction, ask: Ask) -> dict[str, Any]:
    memberships.set_metadata(tx, ask.path["org_id"], ask.path["user_id"], ask.fields)
    return _show_member(tx, ask)


def _remove_member(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return memberships.delete(tx, ask.path["org_id"], ask.path["user_id"])


def _show_member(tx: Transaction, ask: Ask) -> dict[str, Any]:
    row = memberships.find(tx, ask.path["org_id"], ask.path["user_id"])
    return memberships.show(tx, row["id"])


_ORG = "/v1/organizations/{org_id}"
_MEMBER = f"{_ORG}/memberships/{{user_id}}"
ROUTES = [
    Route("GET", "/v1/organizations", _list),
    Route("POST", "/v1/organizations", _create),
    Route("GET", _ORG, _get),
    Route("PATCH", _ORG, _update),
    Route("DELETE", _ORG, _delete),
    Route("PATCH", f"{_ORG}/metadata", _merge_metadata),
    Route("PUT", f"{_ORG}/metadata", _replace_metadata),
    Route("GET", "/v1/organization_memberships", _list_all_members),
    Route("GET", f"{_ORG}/memberships", _list_members),
    Route("POST", f"{_ORG}/memberships", _add_member),
    Route("PATCH", _MEMBER, _update_member),
    Route("DELETE", _MEMBER, _remove_member),
    Route("PATCH", f"{_MEMBER}/metadata", _merge_member_metadata),
]
