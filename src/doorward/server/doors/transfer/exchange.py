"""One request for an upload's URL as a value, and what is answered to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from doorward.server.doors.asgi import Scope, header
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.permission.caller import Caller
from doorward.server.problems import RequestMalformed

NUMBER_DIGITS_MAX = 18

Interim = Callable[[int, Mapping[str, str]], None]
"""Sends a response before the final one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose URL was found to be signed here; ``from_`` tells where it came from."""

    scope: Scope
    body: Incoming
    upload_id: str
    from_: Caller

    @property
    def method(self) -> str:
        """What is to be done, as a client says that can't send every method itself."""
        return method_of(self.scope)

    def header(self, name: str) -> str | None:
        """Give a header's value where it is there exactly once."""
        return header(self.scope, name.encode())

    def only(self, name: str) -> str | None:
        """Give a header that must not be passed over; raises RequestMalformed for several."""
        values = [value for key, value in self.scope["headers"] if key == name.encode()]
        if len(values) > 1:
            raise RequestMalformed(f"The header {name} is there more than once.")
        return values[0].decode("latin-1") if values else None

    def number(self, name: str) -> int | None:
        """Give a header's value as a number of bytes; raises RequestMalformed."""
        return number_of(self.scope, name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request comes to, where it is not a problem."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def method_of(scope: Scope) -> str:
    """Give the method that is meant."""
    return header(scope, b"x-http-method-override") or str(scope["method"])


def number_of(scope: Scope, name: str) -> int | None:
    """Give a header's value as a number, None where it is missing; raises RequestMalformed."""
    values = [value for key, value in scope["headers"] if key == name.encode()]
    if not values:
        return None
    text = values[0].decode("latin-1").strip()
    if len(values) > 1 or not (text.isascii() and text.isdigit()) or len(text) > NUMBER_DIGITS_MAX:
        raise RequestMalformed(f"The header {name} is not a number.")
    return int(text)


def interim_of(scope: Scope) -> Interim | None:
    """Give what sends interim responses, None where the HTTP server has nothing for that."""
    found: Interim | None = scope.get("extensions", {}).get("doorward.interim")
    return found
