"""CORS that follows from the guard: the pages of the authorized parties, and no others.

add_cors(app, auth)     # FastAPI and Starlette, in whatever order
app = cors(app, auth)   # any other ASGI application, around the guard

Needs Starlette: ``pip install 'doorward[fastapi]'``.
"""

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from doorward.clerk.auth import ClerkAuth
from doorward.clerk.errors import ConfigurationError

__all__ = ["add_cors", "cors"]

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_EXPOSED = ("Retry-After", "WWW-Authenticate", "X-Clerk-Auth-Reason", "X-Clerk-Auth-Status")
_NO_ORIGIN = (
    "no authorized party (CLERK_AUTHORIZED_PARTIES) is an origin, and CORS is never opened to "
    "everybody: name the origins of your pages, such as https://app.example.com."
)


def cors(
    app: ASGIApp, auth: ClerkAuth, *, headers: Iterable[str] = (), expose: Iterable[str] = ()
) -> ASGIApp:
    """Let the pages of the authorized parties call an application, and no others.

    Cookies go along only where the guard reads them. ``headers`` are more that pages may send
    beside Authorization, ``expose`` more that they may read. Raises ConfigurationError where no
    authorized party is an origin.
    """
    origins = _origins(auth)
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=["Authorization", *headers],
        allow_credentials=auth.cookies.enabled,
        expose_headers=[*_EXPOSED, *expose],
    )


def add_cors(
    app: Starlette, auth: ClerkAuth, *, headers: Iterable[str] = (), expose: Iterable[str] = ()
) -> None:
    """Put ``cors`` around all of a FastAPI or Starlette application, whatever else is added.

    Raises ConfigurationError as ``cors`` does, and RuntimeError after the first request.
    """
    _origins(auth)
    if app.middleware_stack is not None:
        raise RuntimeError("CORS can't be added to an application that has served a request.")
    build, more = app.build_middleware_stack, (tuple(headers), tuple(expose))

    # What add_middleware adds stands inside of the layer that answers errors with 500, so those
    # answers would be hidden from the page, and what is added later would stand outside of CORS.
    def build_inside_cors() -> ASGIApp:
        return cors(build(), auth, headers=more[0], expose=more[1])

    app.build_middleware_stack = build_inside_cors  # type: ignore[method-assign]


def _origins(auth: ClerkAuth) -> list[str]:
    """Give the parties that are origins; "*" and names of other kinds never are."""
    origins = sorted(party for party in auth.cookies.origins if "://" in party)
    if not origins:
        raise ConfigurationError([_NO_ORIGIN])
    return origins
