"""OAuth 2.1 by Authlib, over one transaction: what it decides and what is stored land together.

The library judges requests, clients and PKCE; here is said what a code and a token are, and what
comes of one that is used twice. It is told of problems by its own errors, which it answers: so a
refusal that revokes something is committed with what it revokes.
"""

import logging
import re
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidRequestError,
    OAuth2Request,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

from doorward.server.audit.model import AuditOutcome
from doorward.server.audit.service import record
from doorward.server.oauth.asked import Asked, Reply
from doorward.server.oauth.clients import ProtocolClient
from doorward.server.oauth.model import (
    AUTH_METHODS,
    OFFERED,
    Code,
    Grant,
    GrantStatus,
    RefreshToken,
)
from doorward.server.oauth.ports import OAuthTx
from doorward.server.oauth.resources import known_resource
from doorward.server.oauth.rules import Rules
from doorward.server.oauth.service import attempt_on
from doorward.server.permission.actions import Action
from doorward.server.permission.scopes import Scope
from doorward.server.tokens.signing import TokenInvalid

CODE_LIFE = timedelta(seconds=60)
REFRESH_LIFE = timedelta(days=30)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_REDIRECT = 302
# At its finest the library's log holds codes and tokens.
logging.getLogger("authlib").setLevel(logging.WARNING)


class TargetInvalid(OAuth2Error):  # type: ignore[misc]  # the library is not typed
    """A token is asked for that is for another server (RFC 8707, section 2)."""

    error = "invalid_target"


class Protocol(AuthorizationServer):  # type: ignore[misc]
    """The library's server over the rows of one transaction."""

    def __init__(self, tx: OAuthTx, rules: Rules) -> None:
        super().__init__(scopes_supported=sorted(OFFERED))
        self.tx = tx
        self.rules = rules
        self.register_grant(CodeGrant, [_S256(required=True), _bind_resource])
        self.register_grant(RefreshGrant)

    def query_client(self, client_id: str) -> ProtocolClient | None:
        """Give a client."""
        client = self.tx.clients.get(client_id)
        return None if client is None else ProtocolClient(client, self.rules.sealer)

    def create_oauth2_request(self, request: "Asked | _Request") -> "_Request":
        """Give a request as the library reads it."""
        return request if isinstance(request, _Request) else _Request(request, self.rules.issuer)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Reply:
        """Give an answer; one that leads back to a client says who it is from (RFC 9207)."""
        given = dict(headers)
        if status == _REDIRECT:
            joined = "&" if "?" in given["Location"] else "?"
            given["Location"] += f"{joined}iss={quote(self.rules.issuer, safe='')}"
        return Reply(status, body or {}, given)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: the trail is written where things are done."""

    def generate_token(
        self,
        grant_type: str,
        client: ProtocolClient,
        user: Grant | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,  # noqa: FBT001, FBT002 - the library's word
    ) -> dict[str, Any]:
        """Give the answer with a new access token under a grant, the library's ``user``."""
        del grant_type, client, expires_in
        assert user is not None  # noqa: S101 - every grant type here acts for somebody
        scopes = user.scopes & frozenset(Scope(one) for one in (scope or "").split())
        token = {
            "token_type": "Bearer",
            "access_token": self.rules.signer.sign(self._claims(user, scopes)),
            "expires_in": self.rules.token_seconds,
            "scope": " ".join(sorted(scopes)),
        }
        if include_refresh_token:
            token["refresh_token"] = f"dwr_{secrets.token_urlsafe(32)}"
        return token

    def save_token(self, token: dict[str, Any], request: "_Request") -> None:
        """Keep a refresh token's digest, and have the grant live as long as it does."""
        now, grant = self.tx.now, request.user
        until = now + timedelta(seconds=self.rules.token_seconds)
        if "refresh_token" in token:
            until = now + REFRESH_LIFE
            digest = self.rules.sealer.digest(token["refresh_token"])
            self.tx.grants.add_refresh(RefreshToken(digest, grant.id, now, until))
        self.tx.grants.extend(grant.id, until)
        taken_up = request.authorization_code is not None
        action = Action.GRANT_TAKE_UP if taken_up else Action.GRANT_REFRESH
        self.note(grant, action, request)

    def note(
        self,
        grant: Grant,
        action: Action,
        request: "_Request",
        outcome: AuditOutcome = AuditOutcome.ALLOWED,
    ) -> None:
        """Enter in the trail what a client did under a grant."""
        attempt = attempt_on(grant, action, grant.caller(request.asked.origin))
        record(self.tx, attempt, outcome, None if outcome is AuditOutcome.ALLOWED else "reused")

    def end_reused(self, grant: Grant, request: "_Request") -> None:
        """End all that came of what was used twice: one of the two who have it stole it."""
        if grant.revoked_at is None:
            self.tx.grants.revoke(grant.id, self.tx.now)
            self.note(grant, Action.GRANT_REUSE, request, AuditOutcome.DENIED)

    def grant_of(self, text: str) -> "tuple[Grant, dict[str, Any] | None] | None":
        """Give the grant under which a token was issued, with an access token's claims."""
        try:
            claims = self.rules.signer.read(text, self.tx.now.timestamp())
        except TokenInvalid:
            found = self.tx.grants.refresh(self.rules.sealer.digest(text))
            used = found is None or found[0].used_at or self.tx.now >= found[0].expires_at
            return None if found is None or used else (found[1], None)
        grant = self.tx.grants.get(claims.get("grant", ""))
        return None if grant is None else (grant, claims)

    def _claims(self, grant: Grant, scopes: frozenset[Scope]) -> dict[str, Any]:
        now = int(self.tx.now.timestamp())
        return {
            "sub": grant.person.user_id,
            "client_id": grant.client_id,
            "grant": grant.id,
            "jti": self.tx.new_id("tok"),
            "iat": now,
            "exp": now + self.rules.token_seconds,
            "scope": " ".join(sorted(scopes)),
        }


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """A code for what a person allowed, good once and for a minute."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    server: Protocol

    @staticmethod
    def validate_authorization_redirect_uri(request: "_Request", client: ProtocolClient) -> str:
        """Give where the person is sent back to, if the client named it beforehand."""
        uri: str | None = request.payload.redirect_uri
        if uri is None or not client.check_redirect_uri(uri):
            raise InvalidRequestError("The redirect_uri is not one that the client registered.")
        return uri

    def generate_authorization_code(self) -> str:
        """Make a code of 256 random bits."""
        return f"dwc_{secrets.token_urlsafe(32)}"

    def save_authorization_code(self, code: str, request: "_Request") -> None:
        """Keep what was allowed, and the code's digest with all that it is bound to."""
        tx, client, allowed = self.server.tx, request.client.client, request.user
        expires_at = tx.now + CODE_LIFE
        grant = Grant(
            tx.new_id("grant"),
            allowed.person,
            client.id,
            client.name,
            allowed.scopes,
            allowed.workspaces,
            _resource(request, self.server.rules.issuer),
            tx.now,
            expires_at,
        )
        kept = Code(
            self.server.rules.sealer.digest(code),
            grant.id,
            client.id,
            request.payload.redirect_uri,
            request.payload.data["code_challenge"],
            expires_at,
        )
        tx.grants.add(grant, kept)
        who = replace(allowed.person, origin=request.asked.origin)
        record(tx, attempt_on(grant, Action.GRANT_CREATE, who))

    def query_authorization_code(self, code: str, client: ProtocolClient) -> "_Code | None":
        """Give what a code is for; one that is used again ends all that it gave."""
        found = self.server.tx.grants.code(self.server.rules.sealer.digest(code))
        if found is None or found[0].client_id != client.get_client_id():
            return None
        if found[0].used_at is not None:
            self.server.end_reused(found[1], self.request)
            return None
        over = self.server.tx.now >= found[0].expires_at
        return None if over or not _counts(found[1], self.server.tx) else _Code(*found)

    def delete_authorization_code(self, authorization_code: "_Code") -> None:
        """Keep that the code was used: used again, it ends what it gave."""
        self.server.tx.grants.use_code(authorization_code.code.digest, self.server.tx.now)

    def authenticate_user(self, authorization_code: "_Code") -> Grant:
        """Give what the person allowed."""
        return authorization_code.grant


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """A new pair of tokens for a refresh token, each of which is good once."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: Protocol

    def validate_token_request(self) -> None:
        """Judge the client and the token, and that it is asked for the same server still."""
        super().validate_token_request()
        _require_same(self.request, self.request.refresh_token.grant, self.server.rules.issuer)

    def authenticate_refresh_token(self, refresh_token: str) -> "_Refresh | None":
        """Give what a token is for; one that is used again ends all that it gave."""
        found = self.server.tx.grants.refresh(self.server.rules.sealer.digest(refresh_token))
        if found is None:
            return None
        if found[0].used_at is not None:
            self.server.end_reused(found[1], self.request)
            return None
        over = self.server.tx.now >= found[0].expires_at
        return None if over or not _counts(found[1], self.server.tx) else _Refresh(*found)

    def authenticate_user(self, refresh_token: "_Refresh") -> Grant:
        """Give what the person allowed."""
        return refresh_token.grant

    def revoke_old_credential(self, refresh_token: "_Refresh") -> None:
        """Keep that the token was used."""
        self.server.tx.grants.use_refresh(refresh_token.token.digest, self.server.tx.now)


class _S256(CodeChallenge):  # type: ignore[misc]
    """PKCE that nobody is let off, and by a hash alone (OAuth 2.1, section 7.5)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Make sure that there is a challenge, and that it is a hash."""
        del redirect_uri
        asked = grant.request.payload.data
        if asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Send a code_challenge with the code_challenge_method S256.")
        if not _CHALLENGE.fullmatch(asked.get("code_challenge", "")):
            raise InvalidRequestError("The code_challenge is not the hash of a verifier.")


class _Request(OAuth2Request):  # type: ignore[misc]
    """A request as the library reads it."""

    def __init__(self, asked: Asked, issuer: str) -> None:
        headers = {} if asked.authorization is None else {"Authorization": asked.authorization}
        super().__init__(asked.method, issuer, headers=headers)
        self.asked = asked
        self.payload = BasicOAuth2Payload(asked.parameters)

    @property
    def args(self) -> dict[str, str]:
        """Give the parameters of the address."""
        return self.asked.parameters

    @property
    def form(self) -> dict[str, str]:
        """Give the parameters of the body."""
        return self.asked.parameters


class _Code(AuthorizationCodeMixin):  # type: ignore[misc]
    def __init__(self, code: Code, grant: Grant) -> None:
        self.code = code
        self.grant = grant
        self.code_challenge = code.code_challenge
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri

    def get_scope(self) -> str:
        return " ".join(sorted(self.grant.scopes))


class _Refresh(TokenMixin):  # type: ignore[misc]
    def __init__(self, token: RefreshToken, grant: Grant) -> None:
        self.token = token
        self.grant = grant

    def check_client(self, client: ProtocolClient) -> bool:
        return self.grant.client_id == client.get_client_id()

    def get_scope(self) -> str:
        return " ".join(sorted(self.grant.scopes))


def _bind_resource(grant: CodeGrant) -> None:
    """Have tokens be for this server, at the address that was asked for when they were allowed."""

    def judge(grant: CodeGrant, _result: object) -> None:
        _resource(grant.request, grant.server.rules.issuer)

    def compare(grant: CodeGrant, _result: object) -> None:
        allowed = grant.request.authorization_code.grant
        _require_same(grant.request, allowed, grant.server.rules.issuer)

    grant.register_hook("after_validate_authorization_request_payload", judge)
    grant.register_hook("after_validate_token_request", compare)


def _require_same(request: _Request, allowed: Grant, issuer: str) -> None:
    """Make sure that a token is for what was allowed, where that is said again."""
    if request.asked.resources and _resource(request, issuer) != allowed.resource:
        raise TargetInvalid("What was allowed is for another resource.")


def _resource(request: _Request, issuer: str) -> str:
    """Give the one address of this server for which a token is asked."""
    known = {known_resource(issuer, one) for one in request.asked.resources} or {issuer}
    if len(known) > 1 or None in known:
        raise TargetInvalid("Tokens of this server are for this server alone.")
    (resource,) = known
    assert resource is not None  # noqa: S101 - looked at above
    return resource


def _counts(grant: Grant, tx: OAuthTx) -> bool:
    return grant.status(tx.now) is GrantStatus.ACTIVE
