"""Token exchange (RFC 8693): an agent's key and a person's session in, a delegated token out."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from doorward.server.audit.model import Attempt, Target
from doorward.server.audit.service import record
from doorward.server.doors.rest.call import Call, CallDep
from doorward.server.doors.rest.key_schemas import scopes_of
from doorward.server.doors.rest.operations import EVERYBODY, KEYHOLDERS, Operations
from doorward.server.doors.rest.schemas import Out
from doorward.server.keys.proving import KeyRefused
from doorward.server.oauth.service import end_grant
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import API_KEY, Caller
from doorward.server.problems import (
    ExchangeRefused,
    NotAuthenticated,
    PermissionDenied,
    RequestInvalid,
    RequestMalformed,
    ScopeUnknown,
)
from doorward.server.tokens.delegation import Delegation, delegate
from doorward.server.tokens.signing import TokenInvalid

rest = Operations("tokens")
Asked = TypeVar("Asked", bound=BaseModel)

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a kind
JWT = "urn:ietf:params:oauth:token-type:jwt"
_TEXT_MAX = 16_384
_ANY_AGE = 0.0
_ERRORS_SHOWN_MAX = 20
_FORM = "application/x-www-form-urlencoded"

TokenText = Annotated[str, StringConstraints(min_length=1, max_length=_TEXT_MAX)]
TypeText = Annotated[str, StringConstraints(max_length=200)]


class _Form(BaseModel):
    """A form, as RFC 6749 has it; members that it does not know are passed over (section 3.2)."""

    model_config = ConfigDict(extra="ignore")


class ExchangeIn(_Form):
    """What is exchanged; the one of the two that is not the bearer's own is given here."""

    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange"]
    subject_token: TokenText
    subject_token_type: TypeText
    actor_token: TokenText | None = None
    actor_token_type: TypeText | None = None
    requested_token_type: TypeText = ACCESS_TOKEN
    scope: Annotated[str, StringConstraints(max_length=2000)] | None = None


class TokenOut(Out):
    """A token that was made (RFC 8693, section 2.2.1)."""

    access_token: str
    issued_token_type: str = ACCESS_TOKEN
    token_type: str = "Bearer"  # noqa: S105 - a scheme
    expires_in: int = Field(description="In seconds.")
    scope: str


class TokenEndIn(_Form):
    """A token to end (RFC 7009, section 2.1)."""

    token: TokenText


async def _sent(request: Request) -> dict[str, Any]:
    """Read a form, or the same as JSON.

    Raises RequestMalformed, RequestInvalid, ExchangeRefused.
    """
    if request.headers.get("content-type", "").startswith(_FORM):
        form = await request.form(max_files=0, max_fields=32)
        if len(form.multi_items()) != len(form):  # read as another form by whoever takes the first
            raise ExchangeRefused("Say each thing once.", error="invalid_request")
        return dict(form)
    try:
        body = await request.json()
    except ValueError as exc:
        raise RequestMalformed("Send a form, or the same as JSON.") from exc
    if not isinstance(body, dict):
        raise RequestInvalid("Send a form, or one JSON object.")
    return body


def _read(model: type[Asked], sent: dict[str, Any]) -> Asked:
    try:
        return model.model_validate(sent)
    except ValidationError as exc:
        raise ExchangeRefused(
            errors=[
                {"where": ".".join(str(part) for part in error["loc"]), "what": str(error["msg"])}
                for error in exc.errors()[:_ERRORS_SHOWN_MAX]
            ],
            error="invalid_request",
        ) from exc


async def _exchange(request: Request) -> ExchangeIn:
    return _read(ExchangeIn, await _sent(request))


async def _ending(request: Request) -> TokenEndIn:
    return _read(TokenEndIn, await _sent(request))


def _taking(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that may be a form or JSON, for OpenAPI."""
    schema = {"schema": model.model_json_schema()}
    content = {_FORM: schema, "application/json": schema}
    return {"requestBody": {"required": True, "content": content}}


@rest.operation(
    "POST",
    "/token",
    accepts=KEYHOLDERS,
    action=Action.TOKEN_EXCHANGE,
    raises=(ExchangeRefused, PermissionDenied, ScopeUnknown),
    openapi_extra=_taking(ExchangeIn),
)
async def exchange_token(
    call: CallDep, asked: Annotated[ExchangeIn, Depends(_exchange)], response: Response
) -> TokenOut:
    """Exchange a person's session, with an agent's key, for a token that both are bound by.

    Send the key as the bearer and the session as ``subject_token``, or the session as both and
    the key as ``actor_token`` (RFC 8693, section 2.1).
    """
    scopes = None if asked.scope is None else scopes_of(asked.scope.split())
    person, agent = await call.through(_pair(call, asked), Target(None, "token"))
    lives = call.house.delegated_seconds
    made = await call.change(
        lambda tx: delegate(tx, person, agent, scopes=scopes, lives_seconds=lives),
        Target(None, "token"),
    )
    response.headers["Cache-Control"] = "no-store"
    return _shown(made, call.house.tokens.sign(made.claims), call.house.clock())


@rest.operation(
    "POST",
    "/token/revoke",
    accepts=EVERYBODY,
    action=Action.TOKEN_REVOKE,
    raises=(ExchangeRefused,),
    openapi_extra=_taking(TokenEndIn),
)
async def revoke_token(call: CallDep, asked: Annotated[TokenEndIn, Depends(_ending)]) -> None:
    """End a delegated token, with the links and uploads that it bought (RFC 7009).

    Whoever holds it may, also after its time. An application's token ends with all that the person
    allowed it. A text that is no token is answered just so: there is nothing to end.
    """
    try:
        # Of whatever age: what a token bought outlives it, and ends with it here.
        claims = call.house.tokens.read(asked.token, _ANY_AGE)
    except TokenInvalid:
        return
    if "grant" in claims:
        await call.change(lambda tx: end_grant(tx, call.who, claims["grant"]))
        return
    await call.house.end_token(claims["jti"])
    ended = Target(None, "token", claims["jti"])
    await call.change(lambda tx: record(tx, Attempt(Action.TOKEN_REVOKE, ended, call.who)), ended)


async def _pair(call: Call, asked: ExchangeIn) -> tuple[Caller, Caller]:
    """Give the person and the agent, each proved; raises ExchangeRefused."""
    if asked.requested_token_type not in {ACCESS_TOKEN, JWT}:
        raise ExchangeRefused("Only access tokens are issued.", error="invalid_request")
    subject = await _proved(call, "subject_token", asked.subject_token)
    if call.who.credential.kind == API_KEY and asked.actor_token is None:
        return subject, call.who
    if asked.actor_token is None:
        raise ExchangeRefused("Send the agent's key as actor_token.", error="invalid_request")
    agent = await _proved(call, "actor_token", asked.actor_token)
    # A bearer who is neither of the two would make a token for others.
    if call.who.credential not in {subject.credential, agent.credential}:
        raise ExchangeRefused("Be one of the two yourself.", error="invalid_request")
    return subject, agent


async def _proved(call: Call, name: str, text: str) -> Caller:
    try:
        return await call.house.identities.of_text(text, call.who.origin)
    except KeyRefused as refused:
        reason = refused.problem.reason
    except NotAuthenticated as problem:
        reason = problem.reason
    raise ExchangeRefused(f"The {name} is not valid.", reason=reason, error="invalid_grant")


def _shown(made: Delegation, text: str, now: datetime) -> TokenOut:
    left = int((made.expires_at - now).total_seconds())
    return TokenOut(access_token=text, expires_in=left, scope=" ".join(sorted(made.scopes)))
