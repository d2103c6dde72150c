"""What a guard costs: a token verified, a route guarded, and requests answered over HTTP."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.requests import Request

from bench import guard_http, guard_peers, guard_routes
from bench.guard_peers import Trust, mint, trust_in
from bench.measuring import Candidate, Times, figure, ratio, time_in_turns
from doorward.clerk.tokens import parse
from doorward.standin import DEFAULT_PARTY, Standin

ROUNDS = 21
TOKENS = 200
_HERE = Path(__file__).parent
_NODE = _HERE / "guard.mjs"
_CLERK_IN_NODE = _HERE.parent / "tests/node/node_modules/@clerk/backend"
_RAW = "raw RSA"
_FIRST = "first sight"
_ADMITTED = "first sight, caller made, revocation asked"
_AGAIN = "repeated sight, revocation asked"


def run() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        standin = Standin.open(Path(folder))
        tokens = [mint(standin) for _ in range(TOKENS)]
        with trust_in(standin) as trust:
            figures = _verifying(asyncio.run(_verify(trust, tokens)))
            figures += _in_node(trust, tokens)
            figures += asyncio.run(guard_routes.measure(trust, tokens, mint(standin), ROUNDS))
            return figures + guard_http.measure(standin, trust, tokens)


async def _verify(trust: Trust, tokens: list[str]) -> Times:
    candidates = _ours(trust, tokens) | _theirs(trust, tokens)
    return await time_in_turns(candidates, ROUNDS)


def _ours(trust: Trust, tokens: list[str]) -> dict[str, Candidate]:
    key = load_pem_public_key(trust.public_key_pem.encode())
    parsed = [parse(token) for token in tokens]
    padding, digest = PKCS1v15(), SHA256()
    # A guard made anew knows no token; the other one meets each token in every round.
    fresh, settled = guard_peers.doorward(trust), guard_peers.doorward(trust)

    async def renew() -> None:
        nonlocal fresh
        fresh = guard_peers.doorward(trust)

    async def raw() -> None:
        for token in parsed:
            key.verify(token.signature, token.signed, padding, digest)

    async def first() -> None:
        verify = fresh.authenticator.verifier.verify_sync
        for token in tokens:
            verify(token)

    def admit(auth: Callable[[], Any]) -> Callable[[], Awaitable[None]]:
        async def admitted() -> None:
            verify = auth().authenticator.verify
            for token in tokens:
                await verify(token)

        return admitted

    return {
        _RAW: Candidate(raw, TOKENS),
        _FIRST: Candidate(first, TOKENS, renew),
        _ADMITTED: Candidate(admit(lambda: fresh), TOKENS, renew),
        _AGAIN: Candidate(admit(lambda: settled), TOKENS),
    }


def _theirs(trust: Trust, tokens: list[str]) -> dict[str, Candidate]:
    """Give what each peer verifies a token with; none of them remembers a token."""
    requests = [_request(token) for token in tokens]
    found = {}
    for name in guard_peers.peers():
        if name == "PyJWT":
            found[name] = _each(guard_peers.pyjwt_decoder(trust), tokens)
        elif name == "clerk-backend-api":
            judge = guard_peers.clerk_backend_api_judge(trust)
            assert all(judge(request).is_signed_in for request in requests)
            found[name] = _each(judge, requests)
        else:
            decode = guard_peers.fastapi_clerk_auth(trust)._decode_token  # noqa: SLF001 - it has no public name
            assert all(decode(token) for token in tokens)
            found[name] = _each(decode, tokens)
    return found


def _each(verify: Callable[[Any], Any], subjects: list[Any]) -> Candidate:
    async def run() -> None:
        for subject in subjects:
            verify(subject)

    return Candidate(run, len(subjects))


def _request(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    request = Request({"type": "http", "headers": headers})
    assert request.headers  # made before the clock runs
    return request


def _in_node(trust: Trust, tokens: list[str]) -> list[dict]:
    if shutil.which("node") is None or not _CLERK_IN_NODE.exists():
        print("LOUD: Node or @clerk/backend is not installed, so nothing is measured against it.")
        return []
    asked = {"jwtKey": trust.public_key_pem, "tokens": tokens, "party": DEFAULT_PARTY}
    done = subprocess.run(
        ["node", _NODE], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    rounds = json.loads(done.stdout)
    ours, raw = [r["verify"] for r in rounds], [r["raw"] for r in rounds]
    return [
        ratio("Clerk's own verifyToken / raw RSA, both in Node", ours, raw),
        figure("Clerk's own verifyToken in Node", ours, "us"),
    ]


def _verifying(times: Times) -> list[dict]:
    raw = times[_RAW]
    figures = [
        figure("raw RSA verification", raw, "us"),
        ratio(f"{_FIRST} / raw RSA", times[_FIRST], raw, "<= 1.4"),
        ratio(f"{_ADMITTED} / raw RSA", times[_ADMITTED], raw),
        ratio(f"{_AGAIN} / raw RSA", times[_AGAIN], raw, "<= 0.1"),
    ]
    for name in guard_peers.peers():
        figures.append(ratio(f"{name} / raw RSA", times[name], raw))
        figures.append(ratio(f"{name} / Doorward at first sight", times[name], times[_FIRST]))
        figures.append(ratio(f"{name} / Doorward at repeated sight", times[name], times[_AGAIN]))
    return figures
