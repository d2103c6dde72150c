"""A local stand-in for Clerk: real signed tokens, keys and the Backend API parts in use.

Whoever reaches it can sign in as anyone, so it answers on loopback only.
"""

from doorward.standin.issuer import DEFAULT_PARTY, Standin
from doorward.standin.loopback import StandinRefused, ensure_loopback
from doorward.standin.state import Session

__all__ = ["DEFAULT_PARTY", "Session", "Standin", "StandinRefused", "ensure_loopback"]
