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
_REFRESH = "__refresh"
_DEV_BROWSER = "__clerk_db_jwt"
_EVERYWHERE = "Path=/; SameSite=Lax"
_KEPT = f"{_EVERYWHERE}; Max-Age={sessions.LIFE_SECONDS}"
_GONE = f"{_EVERYWHERE}; Max-Age=0"


def current_session(tx: Transaction, ask: Ask) -> Session | None:
    """Give the session that the request's browser began here, None when it is over."""
    cookies = read_cookies([(b"cookie", ask.headers.get("cookie", "").encode("latin-1"))])
    session_id, _, mac = cookies.get(_own_name(ask.standin, _CLIENT), "").partition(".")
    if not _is_mac(ask.standin, _CLIENT, session_id, mac):
        return None
    try:
        return sessions.find_active(tx, session_id)
    except Refused:
        return None


def may_refresh(standin: "Standin", session_id: str, refresh_token: str) -> bool:
    """Say whether it is this session whose cookies a browser showed to have renewed."""
    return _is_mac(standin, _REFRESH, session_id, refresh_token)


def kept(standin: "Standin", session: Session) -> list[str]:
    """Give the Set-Cookie lines by which the browser is known to the stand-in itself."""
    value = f"{session.id}.{_mac(standin, _CLIENT, session.id)}"
    return [f"{_own_name(standin, _CLIENT)}={value}; {_KEPT}; HttpOnly"]


def signed_in(standin: "Standin", session: Session, token: str) -> list[str]:
    """Give the Set-Cookie lines by which applications know a session.

    No page's script reads the token: whoever needs one asks for a fresh one.
    """
    since = int(session.created_at)
    refresh = f"{_own_name(standin, _REFRESH)}={_mac(standin, _REFRESH, session.id)}"
    return [f"{refresh}; {_KEPT}; HttpOnly"] + [
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
    gone = [f"{_own_name(standin, name)}=; {_GONE}; HttpOnly" for name in (_CLIENT, _REFRESH)]
    for suffix in _suffixes(standin):
        gone += [f"{SESSION}{suffix}=; {_GONE}; HttpOnly", f"{CLIENT_UAT}{suffix}=0; {_KEPT}"]
        gone += _met(standin, suffix)
    return gone


def _met(standin: "Standin", suffix: str) -> list[str]:
    """Say that the browser has been here: without it Clerk's SDKs send every page here first."""
    return [f"{_DEV_BROWSER}{suffix}=dvb_{standin.kid.removeprefix('ins_')}; {_KEPT}; HttpOnly"]


def _suffixes(standin: "Standin") -> tuple[str, str]:
    return "", f"_{PublishableKey.parse(standin.publishable_key).cookie_suffix}"


def _own_name(standin: "Standin", name: str) -> str:
    """Give a cookie's name, of each stand-in its own: several may share a host."""
    return name + _suffixes(standin)[1]


def _is_mac(standin: "Standin", purpose: str, session_id: str, given: str) -> bool:
    return hmac.compare_digest(given.encode(), _mac(standin, purpose, session_id).encode())


def _mac(standin: "Standin", purpose: str, session_id: str) -> str:
    """Sign a session's id for one purpose alone."""
    named = f"{purpose} {session_id}".encode()
    return hmac.new(standin.secret_key.encode(), named, sha256).hexdigest()
