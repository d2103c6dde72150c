"""The pages on which a person signs in and decides: no inline script or style, never in a frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from doorward.server.doors.oauth.desk import SignIn
from doorward.server.oauth.endpoints import Wanted
from doorward.server.oauth.model import SCOPE_WORDS
from doorward.server.oauth.redirects import origin_for_policy, shown_place
from doorward.server.permission.caller import Caller
from doorward.server.workspaces.model import Standing

_HERE = Path(__file__).parent
ASSETS = {
    "/oauth/assets/pages.css": (_HERE / "assets/pages.css", "text/css; charset=utf-8"),
    "/oauth/assets/sign-in.js": (_HERE / "assets/sign-in.js", "text/javascript; charset=utf-8"),
}
# A script of a known major version, as Clerk's own quick start has it.
_CLERK_SCRIPT = "/npm/@clerk/clerk-js@6/dist/clerk.browser.js"
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class _Choice:
    value: str
    words: str


def sign_in_page(sign_in: SignIn, request: str) -> Response:
    """Give the page whose script finds out who is there, and sends on what they were asked."""
    hosts = "'self'" + (f" https://{sign_in.frontend_api}" if sign_in.frontend_api else "")
    policy = f"script-src {hosts}; connect-src {hosts}; img-src 'self' https://img.clerk.com"
    script = f"https://{sign_in.frontend_api}{_CLERK_SCRIPT}" if sign_in.frontend_api else None
    return _page(
        "sign-in.html",
        f"{policy}; worker-src 'self' blob:; form-action 'self'",
        standin=sign_in.standin,
        publishable_key=sign_in.publishable_key,
        clerk_script=script,
        request=request,
    )


def consent_page(wanted: Wanted, person: Caller, ticket: str, places: list[Standing]) -> Response:
    """Give the page that asks whether an application may do what it wants.

    Browsers hold the redirect after a form, too, against ``form-action``.
    """
    leads_to = origin_for_policy(wanted.redirect_uri)
    return _page(
        "consent.html",
        f"form-action 'self' {leads_to}",
        client=wanted.client,
        place=shown_place(wanted.redirect_uri),
        user=person.user_id,
        organization=person.organization_id,
        scopes=[_Choice(s.value, SCOPE_WORDS[s]) for s in SCOPE_WORDS if s in wanted.scopes],
        workspaces=[_Choice(one.workspace.id, one.workspace.name) for one in places],
        ticket=ticket,
    )


def refusal_page(status: int, text: str, back: tuple[str, str] | None = None) -> Response:
    """Give a page that says why nothing is asked; ``back`` is a place and the address there.

    Nobody is sent there by themselves: whoever made the link chose that address.
    """
    place, address = back or (None, None)
    return _page("refusal.html", "form-action 'none'", status, text=text, place=place, back=address)


def _page(template: str, policy: str, status: int = 200, **values: Any) -> Response:
    body = _templates.get_template(template).render(values)
    whole = f"default-src 'none'; style-src 'self'; {policy}"
    headers = {
        "Content-Security-Policy": f"{whole}; frame-ancestors 'none'; base-uri 'none'",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        # Without a referrer a form's Origin would be "null"; to other origins none is sent.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(body, status, headers)
