"""Signing in and out with a browser, as with Clerk's hosted pages, for whoever is at this machine.

A form that another site's page sends is refused; a redirect leads to this machine alone.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from doorward.standin import browser, memberships, sessions, users
from doorward.standin.ask import Answer, Ask, Route
from doorward.standin.fields import Query
from doorward.standin.file import Transaction
from doorward.standin.instance import DEFAULT_PARTY
from doorward.standin.loopback import is_local_request
from doorward.standin.pages import Choice, SignInPage, headers, sign_out_page
from doorward.standin.redirects import origin_of, page_of_this_machine, shared_host
from doorward.standin.refusals import Refused, invalid, missing
from doorward.standin.sessions import Session, SignIn

_NAME = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_FIELDS_MAX = 16
_SHOWN_MAX = "50"
_OUR_OWN = {None, "same-origin", "none"}


class _PageRoute(Route):
    """A route whose refusals are read by people."""

    def answer(self, ask: Ask) -> Answer:
        try:
            return super().answer(ask)
        except Refused as refused:
            back = _back(ask)
            page = SignInPage(back=back, refusal=str(refused))
            return Answer(refused.status, page.html(), headers(back))


def _at_this_machine(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only a browser on this machine that knows it by a name of its own; raises Refused."""
    del ask
    if not is_local_request(dict(scope)):
        raise Refused(403, "not_local", "Only somebody at this machine may sign in here.")


def _by_our_own_form(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only a form of ours, or a tool that is no browser; raises Refused."""
    _at_this_machine(ask, scope)
    if ask.headers.get("sec-fetch-site") not in _OUR_OWN:
        raise Refused(403, "not_local", "Another site's page may not sign anybody in or out.")


def _show_sign_in(tx: Transaction, ask: Ask) -> Answer:
    back = _back(ask)
    elsewhere = back and shared_host(ask.headers["host"], back)
    if elsewhere:
        query = ask.query_string.decode("ascii")
        return Answer(
            303, b"", (("location", f"http://{elsewhere}{ask.base_path}/sign-in?{query}"),)
        )
    page = SignInPage(_choices(tx), _name_of(tx, browser.current_session(tx, ask)), back)
    return Answer(200, page.html(), headers(back))


def _sign_in(tx: Transaction, ask: Ask) -> Answer:
    form = _form(ask)
    user, org, role = (_name(form, name) for name in ("user", "org", "role"))
    if not user:
        raise missing("user")
    _end_current(tx, ask)
    session = sessions.sign_in(tx, SignIn(user, org, role if org else None))
    back = _back(ask)
    token = ask.standin.token(session, azp=origin_of(back) if back else DEFAULT_PARTY)
    return _sent(
        back or "sign-in",
        browser.kept(ask.standin, session) + browser.signed_in(ask.standin, session, token),
    )


def _show_sign_out(tx: Transaction, ask: Ask) -> Answer:
    back = _back(ask)
    page = sign_out_page(_name_of(tx, browser.current_session(tx, ask)), back)
    return Answer(200, page, headers(back))


def _sign_out(tx: Transaction, ask: Ask) -> Answer:
    _end_current(tx, ask)
    return _sent(_back(ask) or "sign-in", browser.signed_out(ask.standin))


def _end_current(tx: Transaction, ask: Ask) -> None:
    session = browser.current_session(tx, ask)
    if session is not None:
        sessions.end(tx, session.id, "ended")


def _sent(to: str, cookies: list[str]) -> Answer:
    return Answer(303, b"", (("location", to), *(("set-cookie", line) for line in cookies)))


def _choices(tx: Transaction) -> list[Choice]:
    """Give the users there are, and each in every organization of theirs."""
    newest = Query({"limit": [_SHOWN_MAX], "order_by": ["-last_sign_in_at"]})
    choices = []
    for user in users.find_all(tx, newest):
        label = _label(user)
        choices.append(Choice(label, user["id"]))
        for one in memberships.find_all(tx, Query({}), user_id=user["id"])[0]:
            organization, role = one["organization"], one["role"]
            place = f"{label}, in {organization['name']} ({role})"
            choices.append(Choice(place, user["id"], organization["id"], role))
    return choices


def _label(user: Mapping[str, Any]) -> str:
    names = " ".join(user[name] for name in ("first_name", "last_name") if user[name])
    address = next((one["email_address"] for one in user["email_addresses"]), user["id"])
    return f"{names or user['username'] or user['id']} - {address}"


def _name_of(tx: Transaction, session: Session | None) -> str | None:
    if session is None:
        return None
    label = _label(users.show(tx, session.user_id))
    return f"{label}, in {session.org_id}" if session.org_id else label


def _back(ask: Ask) -> str | None:
    """Give the page to go back to, None when none is named or it is not on this machine."""
    given = ask.query.one("redirect_url") or _form(ask).get("redirect_url")
    return page_of_this_machine(given, ask.headers["host"]) if given else None


def _form(ask: Ask) -> dict[str, str]:
    """Read what a form sent, the last of two with one name; raises Refused."""
    try:
        given = parse_qs(ask.raw.decode("ascii"), max_num_fields=_FIELDS_MAX)
    except ValueError as exc:
        raise Refused(400, "request_body_invalid", "The form can't be read.") from exc
    return {name: values[-1] for name, values in given.items()}


def _name(form: Mapping[str, str], name: str) -> str | None:
    value = form.get(name)
    if value and not _NAME.fullmatch(value):
        raise invalid(name, "letters, digits, _, : and - only")
    return value or None


ROUTES: list[Route] = [
    _PageRoute("GET", "/sign-in", _show_sign_in, _at_this_machine),
    _PageRoute("POST", "/sign-in", _sign_in, _by_our_own_form),
    _PageRoute("GET", "/sign-out", _show_sign_out, _at_this_machine),
    _PageRoute("POST", "/sign-out", _sign_out, _by_our_own_form),
]
