"""What the OAuth door is made of, and the door itself, which opens with the first request."""

import asyncio
from dataclasses import dataclass

from doorward.server.doors.asgi import App, Receive, Scope, Send
from doorward.server.doors.house import House
from doorward.server.oauth.rules import Rules
from doorward.server.outbound.sending import Outbound
from doorward.server.tokens.signing import TokenSigner

PREFIXES = ("/oauth/", "/.well-known/oauth-")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where a person signs in: at the stand-in below ``standin``, or by Clerk's own script.

    ``frontend_api`` is the host that Clerk's script comes from and asks.
    """

    standin: str | None = None
    publishable_key: str | None = None
    frontend_api: str | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What the door needs beside the house; ``origins`` are those of its own pages."""

    house: House
    rules: Rules
    outbound: Outbound
    tickets: TokenSigner
    sign_in: SignIn
    origins: frozenset[str]
    registration: bool


class OAuthDoor:
    """Loads what answers when somebody asks for the first time: few servers start to be asked."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            self._app = await asyncio.to_thread(_load, self.desk)
        await self._app(scope, receive, send)


def _load(desk: Desk) -> App:
    from doorward.server.doors.oauth.app import create_oauth

    return create_oauth(desk)
