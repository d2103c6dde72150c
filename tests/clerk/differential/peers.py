"""Both sides' answers to the same tokens: Doorward in this process, Clerk's package in one Node."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clerk.differential.draft import Case
from doorward.clerk.claims import Claims
from doorward.clerk.configuration import ClerkOptions
from doorward.clerk.errors import TokenVerificationError
from doorward.clerk.verifier import Verifier

NODE = Path(__file__).parents[2] / "node"
PACKAGE = NODE / "node_modules" / "@clerk" / "backend" / "package.json"
_DEEPEST = 10_000
_OPTIONS = {
    "authorized_parties": "authorizedParties",
    "audience": "audience",
    "issuer": "issuer",
    "clock_skew": "clockSkewInMs",
}


@dataclass(frozen=True, slots=True)
class Ours:
    """What Doorward says: claims, or the reason of a refusal; ``again`` from what it remembers."""

    claims: Claims | None
    reason: str
    again: str


@dataclass(frozen=True, slots=True)
class Clerks:
    """What ``verifyToken`` says, what it read, and what ``authenticateRequest`` says."""

    ok: bool
    reason: str = ""
    session: dict[str, Any] | None = None
    decoded: dict[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> dict[str, Any]:
        """The header as JavaScript reads it, empty where it is no object."""
        return _members(self.decoded.get("header"))

    @property
    def payload(self) -> dict[str, Any]:
        """The claims as JavaScript reads them, empty where they are no object."""
        return _members(self.decoded.get("payload"))


@dataclass(frozen=True, slots=True)
class Compared:
    """One token with both answers."""

    case: Case
    ours: Ours
    clerks: Clerks

    def __repr__(self) -> str:
        said = "accepted" if self.clerks.ok else self.clerks.reason
        return f"[{self.case.recipe}] ours: {self.ours.reason or 'accepted'}, Clerk's: {said}"


def missing() -> str | None:
    """Say what is not installed that the other side needs."""
    if shutil.which("node") is None:
        return "node is not here"
    return None if PACKAGE.is_file() else "@clerk/backend is not in tests/node; run 'make test'"


def compare(issuer: Any, cases: list[Case]) -> list[Compared]:
    """Ask both sides for every token."""
    theirs = _clerks(issuer, cases)
    return [
        Compared(case, _ours(issuer.public_key_pem, case), answer)
        for case, answer in zip(cases, theirs, strict=True)
    ]


def _ours(pem: str, case: Case) -> Ours:
    options = ClerkOptions(jwt_key=pem, **case.options)
    verifier = Verifier(options.key_source(lambda: case.now), options.rules(), lambda: case.now)
    claims, reason = _answer(verifier, case.token)
    return Ours(claims, reason, _answer(verifier, case.token)[1])


def _answer(verifier: Verifier, token: str) -> tuple[Claims | None, str]:
    try:
        return verifier.verify_sync(token), ""
    except TokenVerificationError as refusal:
        return None, refusal.reason.value
    except Exception as error:  # noqa: BLE001 - to be shown with the recipe that led to it
        return None, f"raised {type(error).__name__}"


def _clerks(issuer: Any, cases: list[Case]) -> list[Clerks]:
    keys = {
        "jwtKey": issuer.public_key_pem,
        "secretKey": "sk_test_made_up",
        "publishableKey": issuer.publishable_key,
    }
    asked = [{"keys": keys}, *[_asked(case) for case in cases]]
    done = subprocess.run(
        ["node", NODE / "verify.mjs"],
        input="".join(f"{json.dumps(line)}\n" for line in asked),
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with _room_to_nest():
        return [_clerks_answer(json.loads(line)) for line in done.stdout.splitlines()]


@contextmanager
def _room_to_nest() -> Iterator[None]:
    """Let what Clerk's side read be read here, with stack left for the garbage collector."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _asked(case: Case) -> dict[str, Any]:
    options = {_OPTIONS[name]: value for name, value in case.options.items() if value is not None}
    if "clockSkewInMs" in options:
        options["clockSkewInMs"] = round(options["clockSkewInMs"] * 1000)
    return {"token": case.token, "now": round(case.now * 1000), "options": options}


def _clerks_answer(answer: dict[str, Any]) -> Clerks:
    decoded = {name: answer[name] for name in ("header", "payload") if name in answer}
    return Clerks(answer["ok"], answer.get("reason", ""), answer["session"], decoded)


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
