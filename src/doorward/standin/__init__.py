"""A local stand-in for Clerk: real signed tokens, the Backend API, webhooks, a clock to move.

Whoever reaches it can sign in as anyone, so it answers on loopback only.
"""

from doorward.standin.instance import DEFAULT_PARTY, Standin
from doorward.standin.loopback import StandinRefused, ensure_loopback
from doorward.standin.refusals import Refused
from doorward.standin.sessions import Session

__all__ = ["DEFAULT_PARTY", "Refused", "Session", "Standin", "StandinRefused", "ensure_loopback"]
