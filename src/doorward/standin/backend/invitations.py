"""Invitations to the application and to organizations, over the Backend API."""

from typing import Any

from doorward.standin import invitations, organizations
from doorward.standin.ask import Ask, Route
from doorward.standin.file import Transaction
from doorward.standin.shapes import listed


def _list(tx: Transaction, ask: Ask) -> Any:
    found, total = invitations.find_all(tx, ask.query)
    return listed(found, total) if ask.query.flag("paginated") else found


def _create(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return invitations.show(tx, invitations.invite(tx, ask.fields))


def _create_many(tx: Transaction, ask: Ask) -> list[dict[str, Any]]:
    made = [invitations.invite(tx, fields) for fields in ask.fields_of_many]
    return [invitations.show(tx, one) for one in made]


def _revoke(tx: Transaction, ask: Ask) -> dict[str, Any]:
    invitations.revoke(tx, ask.path["invitation_id"])
    return invitations.show(tx, ask.path["invitation_id"])


def _delete(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return invitations.delete(tx, ask.path["invitation_id"])


def _list_of_user(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*invitations.find_all_of(tx, ask.query, ask.path["user_id"]))


def _list_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*invitations.find_all(tx, ask.query, _org_id(tx, ask)))


def _list_pending_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*invitations.find_all(tx, ask.query, _org_id(tx, ask), "pending"))


def _list_of_all(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return listed(*invitations.find_all_to_organizations(tx, ask.query))


def _create_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    return invitations.show(tx, invitations.invite_to(tx, _org_id(tx, ask), ask.fields))


def _create_many_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    org_id = _org_id(tx, ask)
    made = [invitations.invite_to(tx, org_id, fields) for fields in ask.fields_of_many]
    return listed([invitations.show(tx, one) for one in made], len(made))


def _get_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    row = invitations.find(tx, ask.path["invitation_id"], _org_id(tx, ask))
    return invitations.show(tx, row["id"])


def _revoke_of(tx: Transaction, ask: Ask) -> dict[str, Any]:
    ask.fields.only(("requesting_user_id",))
    invitations.revoke(tx, ask.path["invitation_id"], _org_id(tx, ask))
    return _get_of(tx, ask)


def _org_id(tx: Transaction, ask: Ask) -> str:
    return str(organizations.find(tx, ask.path["org_id"])["id"])


_OF = "/v1/organizations/{org_id}/invitations"
ROUTES = [
    Route("GET", "/v1/invitations", _list),
    Route("POST", "/v1/invitations", _create),
    Route("POST", "/v1/invitations/bulk", _create_many),
    Route("POST", "/v1/invitations/{invitation_id}/revoke", _revoke),
    Route("DELETE", "/v1/invitations/{invitation_id}", _delete),
    Route("GET", "/v1/users/{user_id}/organization_invitations", _list_of_user),
    Route("GET", "/v1/organization_invitations", _list_of_all),
    Route("GET", _OF, _list_of),
    Route("GET", f"{_OF}/pending", _list_pending_of),
    Route("POST", _OF, _create_of),
    Route("POST", f"{_OF}/bulk", _create_many_of),
    Route("GET", f"{_OF}/{{invitation_id}}", _get_of),
    Route("POST", f"{_OF}/{{invitation_id}}/revoke", _revoke_of),
]
