"""Issues session tokens as Clerk does, signed with a key that lies in the stand-in's folder."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from doorward.standin.secrets import secret_key, signing_key
from doorward.standin.state import Session, SessionFile

DEFAULT_PARTY = "http://127.0.0.1:8040"
"""The ``azp`` of tokens that name no other: where ``doorward serve`` answers by default."""

PORT_DEFAULT = 8041
_SESSION_CATEGORY = "cl_B7d4PD111AAA"
_NOT_BEFORE_SECONDS = 10


class Standin:
    """One stand-in over one folder; any number of processes may open the same."""

    def __init__(
        self, folder: Path, clock: Callable[[], float] = time.time, port: int = PORT_DEFAULT
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._clock = clock
        self._key = signing_key(folder)
        self._sessions = SessionFile(folder / "sessions.db")
        self.secret_key = secret_key(folder)
        self.issuer = f"http://127.0.0.1:{port}"
        # Clerk's form: the front end's host, a dollar sign, base64 without padding.
        host = b64encode(f"127.0.0.1:{port}$".encode()).decode().rstrip("=")
        self.publishable_key = f"pk_test_{host}"

    @classmethod
    def open(
        cls, folder: Path, *, clock: Callable[[], float] = time.time, port: int = PORT_DEFAULT
    ) -> "Standin":
        """Open a folder, made ready when it is new."""
        return cls(folder, clock, port)

    @property
    def now(self) -> float:
        """The stand-in's time, seconds since 1970."""
        return self._clock()

    @property
    def public_key_pem(self) -> str:
        """The key that verifies its tokens."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def kid(self) -> str:
        """The id of the key, which is the instance's id as with Clerk."""
        return f"ins_{sha256(self.public_key_pem.encode()).hexdigest()[:27]}"

    def jwks(self) -> dict[str, Any]:
        """Give the JWK Set (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        jwk = {"use": "sig", "kty": "RSA", "kid": self.kid, "alg": "RS256"}
        return {"keys": [jwk | {"n": _integer(numbers.n), "e": _integer(numbers.e)}]}

    def sign_in(
        self,
        user: str,
        *,
        org: str | None = None,
        role: str | None = None,
        permissions: Sequence[str] = (),
    ) -> Session:
        """Begin a session of a user, with an active organization if one is named."""
        session = Session(
            id=f"sess_{token_hex(14)}",
            user_id=named("user", user),
            org_id=named("org", org) if org else None,
            org_role=f"org:{(role or 'member').removeprefix('org:')}" if org else None,
            org_permissions=tuple(permissions),
            status="active",
            created_at=self.now,
            updated_at=self.now,
        )
        self._sessions.add(session)
        return session

    def session(self, session_id: str) -> Session | None:
        """Give a session."""
        return self._sessions.get(session_id)

    def revoke(self, session_id: str) -> bool:
        """End a session for every process at once; says whether there is one of that id."""
        return self._sessions.revoke(session_id, self.now)

    def mint(
        self,
        user: str,
        *,
        org: str | None = None,
        role: str | None = None,
        permissions: Sequence[str] = (),
        ttl: float = 60,
        claims: Mapping[str, Any] | None = None,
        azp: str | None = DEFAULT_PARTY,
        version: int = 2,
    ) -> str:
        """Sign a user in and give a session token; ``claims`` go over all others."""
        session = self.sign_in(user, org=org, role=role, permissions=permissions)
        return self.token(session, ttl=ttl, claims=claims, azp=azp, version=version)

    def token(
        self,
        session: Session,
        *,
        ttl: float = 60,
        claims: Mapping[str, Any] | None = None,
        azp: str | None = DEFAULT_PARTY,
        version: int = 2,
    ) -> str:
        """Give a token of a session, valid for ``ttl`` seconds."""
        issued = int(self.now)
        body: dict[str, Any] = {
            "iss": self.issuer,
            "sub": session.user_id,
            "sid": session.id,
            "iat": issued,
            "nbf": issued - _NOT_BEFORE_SECONDS,
            "exp": issued + int(ttl),
            "jti": token_hex(10),
            "fva": [0, -1],
            "sts": "active",
        }
        if azp is not None:
            body["azp"] = azp
        body |= _organization_v2(session) if version == 2 else _organization_v1(session)  # noqa: PLR2004
        return self.sign(body | dict(claims or {}))

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """Sign any claims with any header beyond Clerk's own, as tests of a guard need them."""
        first = {"alg": "RS256", "cat": _SESSION_CATEGORY, "kid": self.kid, "typ": "JWT"}
        signed = f"{_segment(first | dict(header or {}))}.{_segment(claims)}"
        signature = self._key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_base64url(signature)}"


def named(prefix: str, name: str) -> str:
    """Give the id that a short name stands for: ``alice`` is ``user_alice``."""
    return name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _organization_v1(session: Session) -> dict[str, Any]:
    if session.org_id is None:
        return {}
    return {
        "org_id": session.org_id,
        "org_slug": session.org_id.removeprefix("org_"),
        "org_role": session.org_role,
        "org_permissions": list(session.org_permissions),
    }


def _organization_v2(session: Session) -> dict[str, Any]:
    """Pack the organization as Clerk's version 2 does: a bit mask of permissions per feature."""
    claims: dict[str, Any] = {"v": 2}
    if session.org_id is None or session.org_role is None:
        return claims
    slug = session.org_id.removeprefix("org_")
    compact = {"id": session.org_id, "slg": slug, "rol": session.org_role.removeprefix("org:")}
    held = [
        permission.removeprefix("org:").rpartition(":") for permission in session.org_permissions
    ]
    features = list(dict.fromkeys(feature for feature, _, _ in held))
    names = list(dict.fromkeys(name for _, _, name in held))
    if features:
        masks = [
            sum(1 << names.index(name) for name in {n for f, _, n in held if f == feature})
            for feature in features
        ]
        claims["fea"] = ",".join(f"o:{feature}" for feature in features)
        compact |= {"per": ",".join(names), "fpm": ",".join(map(str, masks))}
    return claims | {"o": compact}


def _segment(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _integer(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
