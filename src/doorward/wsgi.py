"""The guard for WSGI: Flask, Django, Bottle, or none; no event loop, the thread waits.

auth = ClerkAuth()
try:
    who = auth.authenticate(environ)
except Refusal as refusal:
    return answer_to(refusal)

It is the guard for ASGI, run to its end at once: the same judgement, without a line of its own.
"""

import time
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import Any, NamedTuple, TypeVar

from doorward.clerk.auth import ClerkAuth as _ClerkAuth
from doorward.clerk.auth import check_question
from doorward.clerk.directory import Directory
from doorward.clerk.errors import ConfigurationError, Reason, TokenVerificationError
from doorward.clerk.jwks import KeySource
from doorward.clerk.keys import PublicKey
from doorward.clerk.refusals import Forbidden, NotAuthenticated, Refusal, Unavailable, require
from doorward.clerk.revocation import Revocation
from doorward.clerk.rules import CLOCK_SKEW_DEFAULT
from doorward.clerk.sources import Scope, header_token
from doorward.clerk.state.record import StateUnavailable
from doorward.identity.credentials import CredentialShape, shape_of
from doorward.identity.principal import Principal

__all__ = [
    "Answer",
    "ClerkAuth",
    "ConfigurationError",
    "Forbidden",
    "NotAuthenticated",
    "Principal",
    "Refusal",
    "Unavailable",
    "answer_to",
]

_Result = TypeVar("_Result")
_READ = {
    "HTTP_AUTHORIZATION": b"authorization",
    "HTTP_COOKIE": b"cookie",
    "HTTP_ORIGIN": b"origin",
    "HTTP_SEC_FETCH_MODE": b"sec-fetch-mode",
    "HTTP_SEC_FETCH_SITE": b"sec-fetch-site",
}
_NEEDS_LOOP = (
    "answers only in an event loop, which WSGI has not: take SqliteState or MemoryState, or an "
    "object of your own that answers at once."
)
_NEEDS_CLERK = (
    "accepts has api_key, which only Clerk can verify, over connections that need an event loop: "
    "guard that part with doorward.asgi."
)


class Answer(NamedTuple):
    """What a framework needs to answer a request with a refusal."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class ClerkAuth:
    """Verifies the credential of a WSGI request and says who is there.

    Takes the options of ``doorward.fastapi.ClerkAuth`` as far as they need no event loop: of
    machines, only tokens in JWT form; of states, ``SqliteState`` and ``MemoryState``. Keys are
    fetched while the thread waits, once for all threads. Raises ConfigurationError, which names
    every mistake.
    """

    def __init__(  # noqa: PLR0913 - the options of Clerk, by name
        self,
        *,
        secret_key: str | None = None,
        jwt_key: str | None = None,
        jwks_url: str | None = None,
        publishable_key: str | None = None,
        api_url: str | None = None,
        authorized_parties: Iterable[str] | None = None,
        audience: str | Iterable[str] | None = None,
        issuer: str | Iterable[str] | None = None,
        accepts: Iterable[str] = ("session_token",),
        clock_skew: float = CLOCK_SKEW_DEFAULT,
        revocation: Revocation | None = None,
        directory: Directory | None = None,
        cookies: bool | None = None,
        client_uat_required: bool = True,
        template_tokens: bool = False,
        pending_is_signed_out: bool = True,
        bearer_exactly: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        accepted = (accepts,) if isinstance(accepts, str) else tuple(accepts)
        if CredentialShape.API_KEY in accepted:
            raise ConfigurationError([_NEEDS_CLERK])
        _ensure_at_once(revocation, directory)
        self._authenticator = _ClerkAuth(
            secret_key=secret_key,
            jwt_key=jwt_key,
            jwks_url=jwks_url,
            publishable_key=publishable_key,
            api_url=api_url,
            authorized_parties=authorized_parties,
            audience=audience,
            issuer=issuer,
            accepts=accepted,
            clock_skew=clock_skew,
            revocation=revocation,
            directory=directory,
            cookies=cookies,
            client_uat_required=client_uat_required,
            template_tokens=template_tokens,
            pending_is_signed_out=pending_is_signed_out,
            bearer_exactly=bearer_exactly,
            now=now,
        ).authenticator
        verifier = self._authenticator.verifier
        verifier.keys = _BlockingKeys(verifier.keys)

    def authenticate(self, environ: Mapping[str, Any]) -> Principal:
        """Give the verified caller of a request; raises NotAuthenticated and Unavailable."""
        return _at_once(self._authenticator.authenticate(_scope(environ)))

    def authenticate_optional(self, environ: Mapping[str, Any]) -> Principal | None:
        """Give the verified caller, None where no credential was sent.

        One that was sent and is bad is refused all the same.
        """
        return _at_once(self._authenticator.authenticate_optional(_scope(environ)))

    def requires(self, **asked: Any) -> Callable[[Mapping[str, Any]], Principal]:
        """Make a guard that gives only callers who have all that is asked for.

        Takes what ``Principal.has`` takes. The guard takes a request's environ, and raises
        Forbidden too. Raises TypeError for a word it does not know, and ValueError where nothing
        is asked.
        """
        check_question(asked)

        def authorize(environ: Mapping[str, Any]) -> Principal:
            who = self.authenticate(environ)
            require(who, asked)
            return who

        return authorize

    def verify(self, token: str) -> Principal:
        """Verify a token that came some other way than in a header.

        Raises NotAuthenticated and Unavailable.
        """
        _ensure_judged_here(token.encode("utf-8", "replace"))
        return _at_once(self._authenticator.verify(token))

    def warm_up(self) -> None:
        """Fetch the signing keys before the first request; raises TokenVerificationError."""
        _at_once(self._authenticator.warm_up())


def answer_to(refusal: Refusal) -> Answer:
    """Give status, headers and JSON body of the answer to a request that was not let in."""
    status, headers, body = refusal.encoded()
    text = [(name.decode().title(), value.decode("latin-1")) for name, value in headers]
    return Answer(status, text, body)


class _BlockingKeys:
    """Keys that are fetched while the thread waits; threads that need them share one fetch."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys

    def known(self, kid: str | None) -> PublicKey | None:
        """Give the key if it is at hand and fresh."""
        return self._keys.known(kid)

    async def get(self, kid: str | None) -> PublicKey:
        """Give the key."""
        return self._keys.get_sync(kid)

    def get_sync(self, kid: str | None) -> PublicKey:
        """Give the key."""
        return self._keys.get_sync(kid)

    async def warm_up(self) -> None:
        """Fetch the keys now: any answer but that there are none says that they are here."""
        try:
            self._keys.get_sync(None)
        except TokenVerificationError as exc:
            if exc.reason is not Reason.JWK_KID_MISMATCH:
                raise


def _scope(environ: Mapping[str, Any]) -> Scope:
    """Give what the guard reads of a request, as ASGI has it; texts are Latin-1 (PEP 3333).

    Raises NotAuthenticated for an opaque credential, about which Clerk would have to be asked.
    """
    headers = [
        (name, environ[variable].encode("latin-1", "replace"))
        for variable, name in _READ.items()
        if variable in environ
    ]
    scope: Scope = {"type": "http", "method": environ["REQUEST_METHOD"], "headers": headers}
    _ensure_judged_here(header_token(scope))
    return scope


def _ensure_judged_here(token: bytes | None) -> None:
    if token is not None and shape_of(token) is not CredentialShape.SESSION:
        raise NotAuthenticated(Reason.TYPE_MISMATCH.value)


def _at_once(running: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to its end what never waits for a loop; what does is closed, and let nobody in."""
    try:
        running.send(None)
    except StopIteration as done:
        result: _Result = done.value
        return result
    running.close()
    raise RuntimeError(f"A revocation or directory {_NEEDS_LOOP}")


def _ensure_at_once(revocation: Revocation | None, directory: Directory | None) -> None:
    """Ask both about nobody, so that what can't answer here is told at start.

    Raises ConfigurationError.
    """
    nobody = Principal(user_id="user_nobody", session_id="sess_nobody")
    asked: dict[str, Callable[[Principal], object]] = {}
    if revocation is not None:
        asked["revocation"] = revocation.revoked
    if directory is not None:
        asked["directory"] = directory.complete
    mistakes = [f"{name} {_NEEDS_LOOP}" for name, ask in asked.items() if _waits(ask, nobody)]
    if mistakes:
        raise ConfigurationError(mistakes)


def _waits(ask: Callable[[Principal], object], nobody: Principal) -> bool:
    with suppress(StateUnavailable):  # for the moment: that is for the requests to say
        answer = ask(nobody)
        if not isawaitable(answer):
            return False
        with warnings.catch_warnings():  # that it was never awaited is what this is about
            warnings.simplefilter("ignore", RuntimeWarning)
            del answer
        return True
    return False
