"""One request to the protocol's endpoints, read in one way only."""

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from doorward.server.permission.caller import Origin

PARAMETERS_BYTES_MAX = 16 * 1024
_FIELDS_MAX = 40


class AskedWrongly(Exception):
    """A request that has no one reading; the message says why."""


class Reply(NamedTuple):
    """An answer as the protocol has it: ``body`` is JSON, and empty where a header says all."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one request; of ``resource`` alone there may be several."""

    parameters: dict[str, str]
    resources: tuple[str, ...]
    origin: Origin
    authorization: str | None = None
    method: str = "POST"
    text: str = field(default="", repr=False)

    @classmethod
    def of(
        cls, text: str, origin: Origin, authorization: str | None = None, method: str = "POST"
    ) -> "Asked":
        """Read parameters as a form has them; raises AskedWrongly.

        A parameter that comes twice is refused, and one without a value is as if it were not
        there (RFC 6749, sections 3.1 and 3.2).
        """
        if len(text) > PARAMETERS_BYTES_MAX:
            raise AskedWrongly("The request is too long.")
        try:
            pairs = parse_qsl(text, max_num_fields=_FIELDS_MAX, errors="strict")
        except ValueError:
            raise AskedWrongly("The parameters can't be read.") from None
        resources = tuple(value for name, value in pairs if name == "resource")
        parameters = _single(pair for pair in pairs if pair[0] != "resource")
        return cls(parameters, resources, origin, _credentials(authorization), method, text)


def _single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if parameters.setdefault(name, value) is not value:
            raise AskedWrongly("A parameter comes twice.")
    return parameters


def _credentials(authorization: str | None) -> str | None:
    """Give Basic credentials that can be read; others are as if they were not there."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        b64decode(encoded, validate=True).decode()
    except ValueError:
        return None
    return authorization
