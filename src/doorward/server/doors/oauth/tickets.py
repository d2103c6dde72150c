"""Who was asked for what: sealed into the page, so that no cookie says who somebody is.

A page of another site can send a form here, and the browser adds nothing to it by itself; a ticket
is had only by whoever showed the person's own session token.
"""

import secrets
from datetime import datetime

from doorward.server.oauth.asked import AskedWrongly
from doorward.server.permission.caller import SESSION, Caller, Credential, Origin
from doorward.server.permission.roles import Role
from doorward.server.tokens.signing import TokenInvalid, TokenSigner

LIFE_SECONDS = 600


def ticket_of(signer: TokenSigner, person: Caller, request: str, now: datetime) -> str:
    """Seal who was asked, for a few minutes."""
    made = int(now.timestamp())
    role = person.organization_role
    return signer.sign(
        {
            "sub": person.user_id,
            "sid": person.credential.id,
            "org": None if role is None else [person.organization_id, role.value],
            "made": person.issued_at,
            "request": request,
            "jti": secrets.token_hex(16),
            "iat": made,
            "exp": made + LIFE_SECONDS,
        }
    )


def read_ticket(
    signer: TokenSigner, text: str, origin: Origin, now: datetime
) -> tuple[Caller, str]:
    """Give who was asked, and what for; raises AskedWrongly for what was not sealed here."""
    try:
        said = signer.read(text, now.timestamp())
    except TokenInvalid as exc:
        raise AskedWrongly("This page was open for too long. Begin again.") from exc
    organization_id, role = said["org"] or (None, None)
    person = Caller(
        user_id=said["sub"],
        credential=Credential(SESSION, said["sid"]),
        origin=origin,
        organization_id=organization_id,
        organization_role=None if role is None else Role(role),
        issued_at=said["made"],
    )
    return person, said["request"]
