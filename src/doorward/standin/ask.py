"""One request of the stand-in's HTTP side as a value, who may make it, and what it is answered."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from doorward.standin import machines
from doorward.standin.fields import Fields, Query
from doorward.standin.file import Transaction
from doorward.standin.loopback import is_local_request
from doorward.standin.refusals import Refused, key_invalid

if TYPE_CHECKING:
    from doorward.standin.instance import Standin

_QUERY_FIELDS_MAX = 200
_MANY_MAX = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with JSON, or with a page when the body is bytes."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; what its members hold is judged where it is read."""

    standin: "Standin"
    path: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    query_string: bytes = b""
    raw: bytes = field(default=b"", repr=False)
    base_path: str = ""

    @property
    def bearer(self) -> str:
        """The key that was shown."""
        given = self.headers.get("authorization", "")
        return given.removeprefix("Bearer ") if given.startswith("Bearer ") else ""

    @property
    def query(self) -> Query:
        """What follows the question mark; raises Refused when it can't be read."""
        return Query(self._query)

    @property
    def api_version(self) -> str:
        """The version of the API that the caller wants, the oldest when it doesn't say."""
        named = self._query.get("__clerk_api_version", [""])[-1]
        return self.headers.get("clerk-api-version") or named

    @property
    def json(self) -> Any:
        """The body; raises Refused when it is not JSON."""
        try:
            return json.loads(
                self.raw or b"{}", parse_constant=_no_number, parse_float=_finite_number
            )
        except (ValueError, RecursionError) as exc:
            raise Refused(400, "request_body_invalid", "The body is not JSON.") from exc

    @property
    def fields(self) -> Fields:
        """The body's members; raises Refused when it is not a JSON object."""
        body = self.json
        if not isinstance(body, dict):
            raise Refused(400, "request_body_invalid", "The body is not a JSON object.")
        return Fields(body)

    @property
    def fields_of_many(self) -> list[Fields]:
        """A body that is a list of objects; raises Refused when it is not."""
        body = self.json
        many = isinstance(body, list) and 0 < len(body) <= _MANY_MAX
        if not many or not all(isinstance(one, dict) for one in body):
            raise Refused(400, "request_body_invalid", "The body is not a list of JSON objects.")
        return [Fields(one) for one in body]

    @property
    def _query(self) -> dict[str, list[str]]:
        try:
            return parse_qs(self.query_string.decode("ascii"), max_num_fields=_QUERY_FIELDS_MAX)
        except ValueError as exc:
            raise Refused(400, "request_query_invalid", "The query can't be read.") from exc


Guard = Callable[[Ask, Mapping[str, Any]], None]
Handler = Callable[[Transaction, Ask], Any]


def anybody(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Anybody may see this."""


def with_secret(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only with the secret key; raises Refused."""
    del scope
    expected = f"Bearer {ask.standin.secret_key}".encode()
    if not compare_digest(ask.headers.get("authorization", "").encode(), expected):
        raise key_invalid()


def with_any_key(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only with the secret key, or with that of a machine; raises Refused."""
    if machines.by_key(ask.standin.read(), ask.bearer) is None:
        with_secret(ask, scope)


def local(ask: Ask, scope: Mapping[str, Any]) -> None:
    """Only a tool on this machine, and no page of another origin; raises Refused."""
    del ask
    if not is_local_request(dict(scope)):
        raise Refused(403, "not_local", "Only tools on this machine may sign in here.")


class Route:
    """A method and path, who may ask for it, and the one command that answers."""

    def __init__(
        self,
        method: str,
        template: str,
        handler: Handler,
        guard: Guard = with_secret,
        status: int = 200,
    ) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        self.guard = guard
        self.status = status
        self._pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]{1,128})", template))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Give the path's parameters when this is the route."""
        found = self._pattern.fullmatch(path) if method == self.method else None
        return None if found is None else found.groupdict()

    def answer(self, ask: Ask) -> Answer:
        """Run the command in a transaction of its own; raises Refused."""
        if self.method == "GET":
            result = self.handler(ask.standin.read(), ask)
        else:
            with ask.standin.change() as tx:
                result = self.handler(tx, ask)
        return result if isinstance(result, Answer) else Answer(self.status, result)


def _no_number(text: str) -> float:
    raise ValueError(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
