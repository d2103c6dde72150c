"""The two pages of the stand-in: who signs in, and who is signed in. No script, nothing fetched."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from doorward.standin.redirects import origin_of

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
ul { list-style: none; padding: 0; } li { margin: .4rem 0; }
label { display: block; margin: .8rem 0; }
input, button { font: inherit; padding: .45rem .7rem; box-sizing: border-box; }
input { display: block; width: 100%; }
li button { width: 100%; text-align: left; }
.refusal { border-left: .3rem solid #b00020; padding-left: .7rem; }
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_NAME = 'pattern="[A-Za-z0-9_:\\-]{1,64}" maxlength="64" autocomplete="off"'


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to sign in that is offered: a user, perhaps in an organization."""

    label: str
    user: str
    org: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class SignInPage:
    """All that the page shows; every text in it may be somebody else's and is escaped."""

    choices: Iterable[Choice] = ()
    who: str | None = None
    back: str | None = None
    refusal: str | None = None

    def html(self) -> bytes:
        """Give the page."""
        return _page(
            "Sign in",
            _refusal(self.refusal),
            _current(self.who, self.back),
            _known(self.choices, self.back),
            _somebody_new(self.back),
        )


def sign_out_page(who: str | None, back: str | None) -> bytes:
    """Give the page that asks whether to sign out."""
    if who is None:
        return _page("Sign out", "<p>Nobody is signed in here.</p>", _sign_in_link())
    question = f"<p>Signed in as <strong>{escape(who)}</strong>.</p>"
    button = '<button type="submit">Sign out</button>'
    return _page("Sign out", question, _form("sign-out", back, button))


def headers(back: str | None) -> tuple[tuple[str, str], ...]:
    """Give the headers of a page from which the browser may go to ``back``.

    Browsers hold a form's redirect, too, against ``form-action``. The referrer stays within the
    origin and is not left out, since without it a form's Origin would be ``null``.
    """
    goes_to = f"'self' {origin_of(back)}" if back else "'self'"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {goes_to}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return (
        ("content-security-policy", policy),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    )


def _page(title: str, *parts: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} - stand-in for Clerk</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{title}</h1><p>This is Doorward's local stand-in for Clerk. Whoever is at this "
        f"machine signs in as anybody.</p>{''.join(parts)}</main></body></html>"
    ).encode()


def _refusal(text: str | None) -> str:
    return f'<p class="refusal" role="alert">{escape(text)}</p>' if text else ""


def _current(who: str | None, back: str | None) -> str:
    if who is None:
        return ""
    on = f'<p><a href="{escape(back)}">Go on to {escape(back)}</a></p>' if back else ""
    leave = '<p><a href="sign-out">Sign out</a></p>'
    return f"<p>Signed in as <strong>{escape(who)}</strong>.</p>{on}{leave}"


def _known(choices: Iterable[Choice], back: str | None) -> str:
    forms = [
        _form(
            "sign-in",
            back,
            _hidden("user", one.user),
            _hidden("org", one.org) if one.org else "",
            _hidden("role", one.role) if one.role else "",
            f'<button type="submit">{escape(one.label)}</button>',
        )
        for one in choices
    ]
    if not forms:
        return ""
    return f"<h2>Somebody known</h2><ul>{''.join(f'<li>{form}</li>' for form in forms)}</ul>"


def _somebody_new(back: str | None) -> str:
    return "<h2>Somebody new</h2>" + _form(
        "sign-in",
        back,
        f'<label>Name <input name="user" required placeholder="alice" {_NAME}></label>',
        f'<label>Organization, if any <input name="org" placeholder="acme" {_NAME}></label>',
        f'<label>Role in it <input name="role" placeholder="org:member" list="roles" {_NAME}>'
        '</label><datalist id="roles"><option value="org:admin"><option value="org:member">'
        "</datalist>",
        '<button type="submit">Sign in</button>',
    )


def _form(action: str, back: str | None, *parts: str) -> str:
    way = _hidden("redirect_url", back) if back else ""
    return f'<form method="post" action="{action}">{way}{"".join(parts)}</form>'


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _sign_in_link() -> str:
    return '<p><a href="sign-in">Sign in</a></p>'
