"""Who is there: an owner, a shared workspace with a file, and people whose credentials will end."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from doorward.cli.revoking.host import Host
from doorward.cli.revoking.wire import Answer, Wire
from doorward.standin import Standin
from doorward.standin.sessions import Session

FILE_BYTES = 96 << 20
_REFRESH_SECONDS = 0.05  # from one session's refresh to the next one's
_ASKING_AT_ONCE = 4


@dataclass(slots=True)
class Person:
    """Somebody who is signed in; ``token`` is the newest of the session, as a browser has it."""

    user_id: str
    session: Session
    token: str


@dataclass(slots=True)
class World:
    """One server, seen from outside."""

    host: Host
    standin: Standin
    owner: Person = field(init=False)
    bot: Person = field(init=False)
    workspace: str = field(init=False)
    file: str = field(init=False)
    refreshed: int = 0
    signed_in: dict[str, Person] = field(default_factory=dict)
    _names: Any = field(default_factory=count)
    _wires: asyncio.Queue[Wire] = field(default_factory=asyncio.Queue)

    @classmethod
    async def open(cls, host: Host, data: Path) -> "World":
        """Make it ready: a workspace with a file that takes a while to read."""
        world = cls(host, Standin.open(data / "standin"))
        for _ in range(_ASKING_AT_ONCE):
            world._wires.put_nowait(Wire(host.name, host.port))
        world.owner = world.sign_in("owner")
        made = await world.ask("POST", "workspaces", world.owner.token, {"name": "Bench"})
        world.workspace = made.json["id"]
        world.bot = await world.member("bot")
        await world._put_file()
        return world

    def close(self) -> None:
        """Let every connection go."""
        while not self._wires.empty():
            self._wires.get_nowait().close()
        self.standin.close()

    async def ask(
        self, method: str, path: str, bearer: str | None = None, body: object = None
    ) -> Answer:
        """Ask the server over any connection that is free; raises BenchFailed."""
        wire = await self._wires.get()
        try:
            return await wire.ask(
                method, path if path[0] == "/" else f"/api/v1/{path}", bearer, body
            )
        finally:
            self._wires.put_nowait(wire)

    def sign_in(self, name: str) -> Person:
        """Sign somebody in at the stand-in."""
        session = self.standin.sign_in(name)
        person = Person(session.user_id, session, self.standin.token(session))
        self.signed_in[session.id] = person
        return person

    async def member(self, name: str | None = None) -> Person:
        """Sign somebody in who may edit in the workspace."""
        person = self.sign_in(name or f"person{next(self._names)}")
        new = {"user_id": person.user_id, "role": "editor"}
        (await self.ask("POST", self._members, self.owner.token, new)).json  # noqa: B018
        return person

    async def remove(self, person: Person) -> Answer:
        """End a membership."""
        return await self.ask("DELETE", f"{self._members}/{person.user_id}", self.owner.token)

    async def end_session(self, session: Session) -> Answer:
        """End a session as an application does it at Clerk: over the Backend API."""
        self.signed_in.pop(session.id, None)
        path = f"/standin/v1/sessions/{session.id}/revoke"
        return await self.ask("POST", path, self.standin.secret_key)

    async def keep_refreshing(self) -> None:
        """Refresh every session's token, one after the other and again; nothing may end by it."""
        while True:
            for person in list(self.signed_in.values()):
                await asyncio.sleep(_REFRESH_SECONDS)
                path = f"/standin/v1/sessions/{person.session.id}/tokens"
                answer = await self.ask("POST", path, self.standin.secret_key)
                if answer.accepted:  # its session may have ended since we looked
                    person.token = answer.json["jwt"]
                    self.refreshed += 1

    async def declare(self, bearer: str, size: int) -> dict[str, Any]:
        """Begin an upload."""
        path = f"workspaces/{self.workspace}/uploads"
        new = {"name": f"{next(self._names)}.bin", "size": size}
        found: dict[str, Any] = (await self.ask("POST", path, bearer, new)).json
        return found

    async def share(self, bearer: str) -> dict[str, Any]:
        """Make a link to the file."""
        path = f"files/{self.file}/link"
        found: dict[str, Any] = (await self.ask("POST", path, bearer, {"expires_in": 86_400})).json
        return found

    async def received(self, upload_id: str) -> dict[str, Any]:
        """Say how far an upload is, as the workspace's owner is told."""
        answer = await self.ask("GET", f"uploads/{upload_id}", self.owner.token)
        found: dict[str, Any] = answer.json
        return found

    @property
    def _members(self) -> str:
        return f"workspaces/{self.workspace}/members"

    async def _put_file(self) -> None:
        declared = await self.declare(self.owner.token, FILE_BYTES)
        url = urlsplit(declared["url"])
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        writer.write(f"{head}Content-Length: {FILE_BYTES}\r\n\r\n".encode())
        for _ in range(FILE_BYTES >> 20):
            writer.write(bytes(1 << 20))
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        self.file = (await self.received(declared["id"]))["file"]["id"]
