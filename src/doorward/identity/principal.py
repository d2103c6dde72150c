"""The verified caller, as integrators see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.identity.has import Question, answer


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller and what its credential says of it.

    ``token_type`` uses Clerk's words: ``session_token``, ``m2m_token``, ``api_key``,
    ``oauth_token``. ``subject`` is whom the credential speaks for: a user, an organization or a
    machine (``mch_…``). ``credential_id`` is the id of a machine credential, or a session token's
    ``jti``; ``client_id`` the OAuth client. ``factor_verification_age`` is Clerk's ``fva``:
    minutes since the first and second factor. ``issued_at`` and ``expires_at`` are in seconds
    since 1970. The representation shows ids only.
    """

    user_id: str | None
    session_id: str | None = None
    org_id: str | None = None
    org_slug: str | None = field(default=None, repr=False)
    org_role: str | None = None
    org_permissions: tuple[str, ...] = field(default=(), repr=False)
    token_type: str = "session_token"  # noqa: S105 - a kind, not a token
    scopes: frozenset[str] = field(default=frozenset(), repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    actor: Mapping[str, Any] | None = field(default=None, repr=False)
    session_status: str | None = field(default=None, repr=False)
    factor_verification_age: tuple[float, float] | None = field(default=None, repr=False)
    subject: str | None = None
    credential_id: str | None = field(default=None, repr=False)
    client_id: str | None = field(default=None, repr=False)
    issued_at: float | None = field(default=None, repr=False)
    expires_at: float | None = field(default=None, repr=False)
    public_metadata: Mapping[str, Any] | None = field(default=None, repr=False)

    revocable_as: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names under which what was presented can be revoked, such as ``session:sess_1``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "revocable_as", _revocable_as(self))

    @property
    def machine_id(self) -> str | None:
        """The machine that a machine-to-machine token speaks for."""
        return self.subject if self.token_type == "m2m_token" else None  # noqa: S105 - a kind

    def has(self, **asked: Any) -> bool:
        """Say whether the caller has all that is asked for; asking nothing is never answered yes.

        Takes ``role``, ``permission``, ``feature``, ``plan``, ``reverification``, ``scope`` and
        ``metadata`` and answers as Clerk's ``has()`` does: fail closed, never raises for a value.
        Raises TypeError for a word it does not know.
        """
        return not self.missing(**asked) if asked else False

    def missing(self, **asked: Any) -> tuple[str, ...]:
        """Name what the caller lacks of what is asked for, such as ``role org:admin``."""
        return answer(self, Question(**asked))


def _revocable_as(who: Principal) -> tuple[str, ...]:
    names = []
    if who.session_id:
        names.append(f"session:{who.session_id}")
    if who.user_id:
        names.append(f"user:{who.user_id}")
        if who.org_id:
            names.append(f"member:{who.user_id}:{who.org_id}")
    if who.org_id:
        names.append(f"organization:{who.org_id}")
    if who.credential_id:
        names.append(f"credential:{who.credential_id}")
    return tuple(names)
