"""What a type checker knows of webhook events; read by mypy and pyright, never run."""

from collections.abc import Mapping
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI

from doorward.fastapi import ClerkWebhook
from doorward.webhooks import (
    Event,
    MembershipEvent,
    OrganizationDeleted,
    OrganizationEvent,
    SessionEnded,
    User,
    UserDeleted,
    UserUpdated,
    verify,
)

app = FastAPI()
hook = ClerkWebhook()


def told(body: bytes, headers: Mapping[str, str], raw: list[tuple[bytes, bytes]]) -> str:
    assert_type(verify(body, raw, ["whsec_a", "whsec_b"]), Event)
    event = verify(body, headers)
    assert_type(event, Event)
    assert_type(event.happened_at, float)
    match event:
        case UserUpdated():
            assert_type(event.user, User)
            assert_type(event.user.public_metadata, Mapping[str, Any])
            return event.user.id
        case UserDeleted():
            assert_type(event.id_of_user, str)
        case SessionEnded(session=session):
            assert_type(session.user_id, str)
        case OrganizationEvent():
            assert_type(event.organization.slug, str | None)
        case OrganizationDeleted():
            assert_type(event.id_of_organization, str)
        case MembershipEvent():
            assert_type(event.membership.role, str)
        case _:
            assert_type(event, Event)
            assert_type(event.data, Mapping[str, Any])
    return event.id


@app.post("/webhooks/clerk")
async def receive(event: Annotated[Event, Depends(hook)]) -> str:
    return event.type
