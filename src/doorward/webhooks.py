"""Clerk's webhooks, verified and typed.

event = verify(body, headers)  # reads CLERK_WEBHOOK_SIGNING_SECRET
match event:
    case UserUpdated():
        print(event.user.id)
"""

from doorward.clerk.events import (
    Event,
    EventMalformed,
    Membership,
    MembershipCreated,
    MembershipDeleted,
    MembershipEvent,
    MembershipUpdated,
    Organization,
    OrganizationDeleted,
    OrganizationEvent,
    Session,
    SessionCreated,
    SessionEnded,
    SessionEvent,
    User,
    UserCreated,
    UserDeleted,
    UserEvent,
    UserUpdated,
)
from doorward.clerk.webhooks import WebhookVerificationError, forget, is_new, verify

__all__ = [
    "Event",
    "EventMalformed",
    "Membership",
    "MembershipCreated",
    "MembershipDeleted",
    "MembershipEvent",
    "MembershipUpdated",
    "Organization",
    "OrganizationDeleted",
    "OrganizationEvent",
    "Session",
    "SessionCreated",
    "SessionEnded",
    "SessionEvent",
    "User",
    "UserCreated",
    "UserDeleted",
    "UserEvent",
    "UserUpdated",
    "WebhookVerificationError",
    "forget",
    "is_new",
    "verify",
]
