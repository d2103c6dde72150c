"""Mistakes that a type checker must see: each checker complains of a comment without one."""

from doorward import verify_token
from doorward.client import Doorward
from doorward.fastapi import ClerkAuth, Principal
from doorward.webhooks import Event, verify

clerk = ClerkAuth()


async def mistakes(who: Principal, event: Event) -> None:
    who.user_id.upper()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    who.user_id = "user_2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    verify_token(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    verify_token("token", clock_skew="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    verify("body", {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ClerkAuth(accept=["session_token"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ClerkAuth("sk_test_x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Doorward(event.user)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    Doorward(token=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    claims = verify_token("token")
    claims["sub"] = "user_2"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
