"""What the fuzz targets share: seeds into a corpus, mutants of their structure, and atheris."""

import json
import random
import sys
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import atheris

NOW = 1_790_000_000.0
ODD = (
    None,
    True,
    0,
    -1,
    1e308,
    10**30,
    "",
    "none",
    "RS256",
    "HS256",
    "\x00",
    "JWT",
    "at+jwt",
    "mch_1",
    "cl_B7d4PD222AAA",
    "cl_B7d4PD333AAA",
    "o:a,u:b,o",
    "9" * 99,
    [],
    ["api", 5],
    [0, -1],
    {},
    {"id": "org_1", "rol": "admin", "per": "a,b", "fpm": "3,x"},
    2,
)

Target = Callable[[bytes], object]
Mutant = Callable[[bytes, random.Random], bytes]


def fuzz(target: Target, seeds: Iterable[bytes], mutant: Mutant) -> None:
    """Run a target from the command line, with libFuzzer's options; seeds go into a new corpus.

    A file that is named is run instead, as to see a finding again.

    Every other mutant is one of the structure, so that what lies behind a signature is reached.
    """

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            with suppress(Exception):  # the structure was broken already
                return mutant(data, chance)[:max_size]
        return bytes(atheris.Mutate(data, max_size))

    with tempfile.TemporaryDirectory(prefix="doorward-fuzz-") as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        options = ["-max_len=20000", "-timeout=10", "-rss_limit_mb=1024"]
        named = any(not argument.startswith("-") for argument in sys.argv[1:])
        arguments = [*sys.argv, *options, *([] if named else [corpus])]
        atheris.Setup(arguments, target, custom_mutator=mutate)
        atheris.Fuzz()


def segment(data: bytes) -> bytes:
    """Write a part of a token."""
    return urlsafe_b64encode(data).rstrip(b"=")


def opened(part: bytes) -> bytes:
    """Read a part of a token, as leniently as can be."""
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def odd_members(data: bytes, names: tuple[str, ...], chance: random.Random) -> bytes:
    """Change a JSON object: a member odd or gone, or its bytes as atheris likes."""
    if chance.random() < 0.3:
        return bytes(atheris.Mutate(data, len(data) + 64))
    found = json.loads(data)
    name = chance.choice([*names, *found])
    if chance.random() < 0.2:
        found.pop(name, None)
    else:
        found[name] = chance.choice(ODD)
    written = json.dumps(found).encode()
    doubled = b'{"' + name.encode() + b'":1,' + written[1:]
    return doubled if chance.random() < 0.1 and len(found) else written
