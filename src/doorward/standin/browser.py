"""What a browser holds of a sign-in: Clerk's cookies, and one that tells the stand-in who it is.

They lie on the host, so every application of this machine that is opened under the same name
receives them, whatever its port.
"""

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from doorward.clerk.cookies import CLIENT_UAT, SESSION, read_cookies
from doorward.clerk.publishable import PublishableKey
from doorward.standin import sessions
from doorward.standin.ask import Ask
from doorward.standin.file import Transaction
from doorward.standin.refusals import Refused
from doorward.standin.sessions import Session

if TYPE_CHECKING:
    from doorward.standin.instance import Standin

_CLIENT = "__client"
_DEV_BROWSER = "__clerk_db_jwt"
_EVERYWHERE = "Path=/; SameSite=Lax"
_KEPT = f"{_EVERYWHERE}; Max-Age={sessions.LIFE_SECONDS}"
_GONE = f"{_EVERYWHERE}; Max-Age=0"


def current_session(tx: Transaction, ask: Ask) -> Session | None:
    """Give the session that the request's browser began here, None when it is over."""
    cookies = read_cookies([(b"cookie", ask.headers.get("cookie", "").encode("latin-1"))])
    session_id, _, mac = cookies.get(_client_name(ask.standin), "").partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(ask.standin, session_id).encode()):
        return None
    try:
        return sessions.find_active(tx, session_id)
    except Refused:
        return None


def kept(standin: "Standin", session: Session) -> list[str]:
    """Give the Set-Cookie lines by which the browser is known to the stand-in itself."""
    value = f"{session.id}.{_mac(standin, session.id)}"
    return [f"{_client_name(standin)}={value}; {_KEPT}; HttpOnly"]


def signed_in(standin: "Standin", session: Session, token: str) -> list[str]:
    """Give the Set-Cookie lines by which applications know a session.

    No page's script reads the token: whoever needs one asks for a fresh one.
    """
    since = int(session.created_at)
    return [
        line
        for suffix in _suffixes(standin)
        for line in (
            f"{SESSION}{suffix}={token}; {_KEPT}; HttpOnly",
            f"{CLIENT_UAT}{suffix}={since}; {_KEPT}",
            *_met(standin, suffix),
        )
    ]


def signed_out(standin: "Standin") -> list[str]:
    """Give the Set-Cookie lines of a browser in which nobody is signed in."""
    gone = [f"{_client_name(standin)}=; {_GONE}; HttpOnly"]
    for suffix in _suffixes(standin):
        gone += [f"{SESSION}{suffix}=; {_GONE}; HttpOnly", f"{CLIENT_UAT}{suffix}=0; {_KEPT}"]
        gone += _met(standin, suffix)
    return gone


def _met(standin: "Standin", suffix: str) -> list[str]:
    """Say that the browser has been here: without it Clerk's SDKs send every page here first."""
    return [f"{_DEV_BROWSER}{suffix}=dvb_{standin.kid.removeprefix('ins_')}; {_KEPT}; HttpOnly"]


def _suffixes(standin: "Standin") -> tuple[str, str]:
    return "", f"_{PublishableKey.parse(standin.publishable_key).cookie_suffix}"


def _client_name(standin: "Standin") -> str:
    """Give the cookie's name, of each stand-in its own: they may share a host."""
    return _CLIENT + _suffixes(standin)[1]


def _mac(standin: "Standin", session_id: str) -> str:
    return hmac.new(
        standin.secret_key.encode(), f"client {session_id}".encode(), sha256
    ).hexdigest()
