"""The body of one request: ASGI's pieces, or straight from its socket where the server can."""

from doorward.server.doors.asgi import Message, Receive, Scope
from doorward.server.straight import Inlet


class Incoming:
    """A body that is read by whoever holds it, and by nobody else; it knows when it has ended."""

    def __init__(self, receive: Receive, scope: Scope | None = None) -> None:
        self._receive = receive
        extensions = {} if scope is None else scope.get("extensions", {})
        self._take_over = extensions.get("doorward.inlet")
        self._inlet: Inlet | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Say whether nothing is left to come: all was read, or the client has gone."""
        return self._ended or (self._inlet is not None and self._inlet.closed)

    async def receive(self) -> Message:
        """Give the next piece as an ASGI message."""
        receive = self._receive if self._inlet is None else self._inlet.receive
        message = await receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def inlet(self) -> Inlet | None:
        """Give what threads can read the rest from, None where only ``receive`` gives it."""
        if self._take_over is not None:
            take_over, self._take_over = self._take_over, None
            self._inlet = take_over()
        return self._inlet

    def close(self) -> None:
        """Let go of the socket; what was not read of the body is nobody's."""
        if self._inlet is not None:
            self._inlet.close()
