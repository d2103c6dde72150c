"""Doorward: one door for people and agents.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from doorward._version import __version__

if TYPE_CHECKING:
    from doorward.clerk.claims import Claims
    from doorward.clerk.errors import TokenVerificationError
    from doorward.clerk.verify import verify_token, verify_token_async
    from doorward.identity.principal import Principal

_HOMES = {
    "Claims": "doorward.clerk.claims",
    "Principal": "doorward.identity.principal",
    "TokenVerificationError": "doorward.clerk.errors",
    "verify_token": "doorward.clerk.verify",
    "verify_token_async": "doorward.clerk.verify",
}

__all__ = [
    "Claims",
    "Principal",
    "TokenVerificationError",
    "__version__",
    "verify_token",
    "verify_token_async",
]


def __getattr__(name: str) -> object:
    """Load a public name on first use; raises AttributeError for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module 'doorward' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
