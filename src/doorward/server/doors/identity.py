"""Who asks: the shape of what was presented picks who judges it, and nobody else is asked then."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from doorward.clerk.refusals import NotAuthenticated as ClerkNotAuthenticated
from doorward.clerk.refusals import Unavailable as ClerkUnavailable
from doorward.identity.credentials import AuthorizationMalformed, bearer_token
from doorward.identity.principal import Principal
from doorward.server.doors.asgi import Scope
from doorward.server.keys.proving import KeyRefused
from doorward.server.permission.caller import SESSION, Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.problems import KeysUnavailable, NotAuthenticated

_MINUTE = 60.0


class Guard(Protocol):
    """The toolkit's guard, as far as the server uses it."""

    async def authenticate(self, scope: Scope) -> Principal:
        """Verify the request's credential."""


class Prover(Protocol):
    """Judges one kind of credential, known by its shape."""

    def is_one(self, text: str) -> bool:
        """Say whether a text claims to be of this kind."""

    def prove(self, text: str, origin: Origin, now: datetime) -> Caller:
        """Give whom it speaks for; raises NotAuthenticated, KeyRefused, Busy."""


class Identities:
    """Finds out who asks: our own credentials by ``provers``, all others by the toolkit's guard."""

    def __init__(
        self,
        guard: Guard,
        provers: Sequence[Prover],
        organization_roles: Mapping[str, Role],
        clock: Callable[[], datetime],
        revoked_since: Callable[[Caller], bool],
    ) -> None:
        self._guard = guard
        self._provers = provers
        self._roles = organization_roles
        self._clock = clock
        self._revoked_since = revoked_since

    async def of_request(self, scope: Scope, origin: Origin) -> Caller:
        """Give whoever sent a request.

        Raises NotAuthenticated, KeysUnavailable, KeyRefused, Busy.
        """
        prover, text = self._own(scope)
        if prover is not None:
            return self._proved(prover, text, origin)
        try:
            principal = await self._guard.authenticate(scope)
        except ClerkNotAuthenticated as exc:
            raise NotAuthenticated(reason=exc.reason, headers=exc.headers) from exc
        except ClerkUnavailable as exc:
            raise KeysUnavailable(reason=exc.reason, headers=exc.headers) from exc
        return caller_of(principal, origin, self._roles)

    async def of_text(self, text: str, origin: Origin) -> Caller:
        """Give whoever a credential speaks for that did not come in a header.

        Raises NotAuthenticated, KeysUnavailable, KeyRefused, Busy.
        """
        carried = b"Bearer " + text.encode(errors="replace")
        scope = {"type": "http", "method": "POST", "headers": [(b"authorization", carried)]}
        return await self.of_request(scope, origin)

    def _own(self, scope: Scope) -> tuple[Prover | None, str]:
        try:
            token = bearer_token(scope["headers"])
        except AuthorizationMalformed:
            return None, ""  # the guard refuses it, with its reason
        text = (token or b"").decode("latin-1")
        return next((one for one in self._provers if one.is_one(text)), None), text

    def _proved(self, prover: Prover, text: str, origin: Origin) -> Caller:
        who = prover.prove(text, origin, self._clock())
        if self._revoked_since(who):
            raise KeyRefused(NotAuthenticated(reason="revoked"), who.credential)
        return who


def caller_of(principal: Principal, origin: Origin, roles: Mapping[str, Role]) -> Caller:
    """Give the server's view of a verified principal.

    An organization role that no setting maps gets what ``*`` says, or nothing.
    """
    role = None
    if principal.org_id is not None:
        role = roles.get(principal.org_role or "") or roles.get("*")
    return Caller(
        user_id=principal.user_id or "",
        credential=Credential(SESSION, principal.session_id),
        origin=origin,
        organization_id=principal.org_id if role else None,
        organization_name=principal.org_slug if role else None,
        organization_role=role,
        issued_at=principal.issued_at,
        proved_at=_proved_at(principal),
    )


def _proved_at(principal: Principal) -> float | None:
    """Give when the person last proved who they are: ``fva`` counts minutes until the token.

    Whoever impersonates a person proved nothing of them.
    """
    ages = [age for age in principal.factor_verification_age or () if age >= 0]
    if principal.issued_at is None or principal.actor is not None or not ages:
        return None
    return principal.issued_at - min(ages) * _MINUTE
