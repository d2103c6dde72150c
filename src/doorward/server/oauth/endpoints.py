"""What the protocol's endpoints answer: each one command over one transaction."""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, TokenMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from doorward.server.audit.model import Attempt
from doorward.server.audit.service import record
from doorward.server.oauth.asked import Asked, AskedWrongly, Reply
from doorward.server.oauth.clients import ProtocolClient
from doorward.server.oauth.model import AUTH_METHODS, NO_SECRET, Client, Grant, GrantStatus
from doorward.server.oauth.ports import OAuthTx
from doorward.server.oauth.protocol import Protocol
from doorward.server.oauth.registration import target_of_client
from doorward.server.oauth.rules import Allowed, Rules
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller
from doorward.server.permission.scopes import Scope
from doorward.server.problems import PermissionDenied
from doorward.server.workspaces.service import role_in


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks a person for, judged; ``redirect_uri`` is one that it registered."""

    client: Client
    scopes: frozenset[Scope]
    redirect_uri: str


class AskedInVain(Exception):
    """A client that is known asks for what can't be had; ``back`` tells it so."""

    def __init__(self, wrong: str, client: Client, back: str) -> None:
        super().__init__(wrong)
        self.client = client
        self.back = back


def judge_request(tx: OAuthTx, rules: Rules, asked: Asked) -> Wanted:
    """Judge what a client asks a person for; raises AskedWrongly, AskedInVain."""
    return _judged(Protocol(tx, rules), asked)[1]


def decide_request(
    tx: OAuthTx, rules: Rules, asked: Asked, person: Caller, allowed: Allowed | None
) -> Reply:
    """Give the answer that leads back to the client: a code, or that the person refused.

    All is judged anew: what was on the page is only what the person saw. Raises AskedWrongly,
    AskedInVain, and PermissionDenied for more than was asked for, or than the person has.
    """
    protocol = Protocol(tx, rules)
    grant, wanted = _judged(protocol, asked)
    if allowed is None:
        record(tx, Attempt(Action.GRANT_REFUSE, target_of_client(wanted.client), person))
    else:
        _require_had(tx, wanted, allowed)
    reply: Reply = protocol.create_authorization_response(
        grant.request, grant_user=allowed, grant=grant
    )
    return reply


def answer_token(tx: OAuthTx, rules: Rules, asked: Asked) -> Reply:
    """Answer a client that takes up what was allowed, or refreshes its tokens."""
    reply: Reply = Protocol(tx, rules).create_token_response(asked)
    return reply


def answer_revocation(tx: OAuthTx, rules: Rules, asked: Asked) -> Reply:
    """Answer a client that gives up a token: all that came of the grant ends with it."""
    protocol = Protocol(tx, rules)
    protocol.register_endpoint(_Revocation)
    reply: Reply = protocol.create_endpoint_response(_Revocation.ENDPOINT_NAME, asked)
    return reply


def answer_introspection(tx: OAuthTx, rules: Rules, asked: Asked) -> Reply:
    """Tell a client that proves itself by a secret what a token of its own is worth now."""
    protocol = Protocol(tx, rules)
    protocol.register_endpoint(_Introspection)
    reply: Reply = protocol.create_endpoint_response(_Introspection.ENDPOINT_NAME, asked)
    return reply


def _judged(protocol: Protocol, asked: Asked) -> tuple[Any, Wanted]:
    client = protocol.query_client(asked.parameters.get("client_id", ""))
    if client is None:
        raise AskedWrongly("No application of this client_id is registered here.")
    uri = asked.parameters.get("redirect_uri", "")
    if not client.check_redirect_uri(uri):
        raise AskedWrongly("The redirect_uri is not one that the application registered.")
    try:
        # The library would repeat what was sent where no error may have every character.
        if asked.parameters.get("response_type") != "code":
            raise InvalidRequestError("The response_type must be code.", redirect_uri=uri)
        grant = protocol.get_consent_grant(asked)
    except OAuth2Error as error:
        error.redirect_uri = uri
        error.state = asked.parameters.get("state")
        back = protocol.handle_error_response(None, error).headers["Location"]
        raise AskedInVain(error.description or error.error, client.client, back) from error
    scopes = frozenset(Scope(one) for one in grant.request.scope.split())
    return grant, Wanted(client.client, scopes, uri)


def _require_had(tx: OAuthTx, wanted: Wanted, allowed: Allowed) -> None:
    """Make sure that no more is allowed than was asked for and than the person has."""
    if not allowed.scopes or not allowed.scopes <= wanted.scopes & allowed.person.scopes:
        raise PermissionDenied("This was not asked for.", reason="excess")
    for workspace_id in allowed.workspaces or ():
        workspace = tx.workspaces.get(workspace_id)
        if workspace is None or role_in(tx, allowed.person, workspace) is None:
            raise PermissionDenied("You are not in this workspace.", reason="excess")


class _Token(TokenMixin):  # type: ignore[misc]  # the library is not typed
    """A token that somebody asks about or gives up."""

    def __init__(self, grant: Grant, claims: dict[str, Any] | None, *, active: bool) -> None:
        self.grant = grant
        self.claims = claims
        self._active = active

    def check_client(self, client: ProtocolClient) -> bool:
        return self.grant.client_id == client.get_client_id()

    def is_expired(self) -> bool:
        return not self._active

    def is_revoked(self) -> bool:
        return not self._active


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        del token_type_hint  # what a token is shows in itself
        return _found(self.server, token_string)

    def revoke_token(self, token: _Token, request: Any) -> None:
        self.server.tx.grants.revoke(token.grant.id, self.server.tx.now)
        self.server.note(token.grant, Action.GRANT_REVOKE, request)


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = tuple(method for method in AUTH_METHODS if method != NO_SECRET)

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        del token_type_hint
        return _found(self.server, token_string)

    def check_permission(self, token: _Token, client: ProtocolClient, request: Any) -> bool:
        del request
        return token.check_client(client)

    def introspect_token(self, token: _Token) -> dict[str, Any]:
        issuer = self.server.rules.issuer
        told = {
            "client_id": token.grant.client_id,
            "sub": token.grant.person.user_id,
            "scope": " ".join(sorted(token.grant.scopes)),
            "iss": issuer,
            "aud": token.grant.resource,
        }
        if token.claims is None:
            return told | {"exp": int(token.grant.expires_at.timestamp())}
        named = ("scope", "exp", "iat", "jti")
        return told | {"token_type": "Bearer"} | {name: token.claims[name] for name in named}


def _found(protocol: Protocol, text: str) -> _Token | None:
    found = protocol.grant_of(text)
    if found is None:
        return None
    active = found[0].status(protocol.tx.now) is GrantStatus.ACTIVE
    return _Token(*found, active=active)
