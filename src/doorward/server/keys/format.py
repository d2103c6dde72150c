"""How a key is written: recognisable by a scanner, and a typo is found without looking it up.

``dw_<environment>_`` and 63 characters of base32 in lower case (RFC 4648, section 6): 16 of a
handle by which its row is found, 40 of secret (200 random bits), and 7 of a CRC-32 over all that
stands before. The handle is not the key's id, so that an id in a log is no part of a key.
"""

import re
import secrets
import zlib
from base64 import b32encode
from typing import NamedTuple

from doorward.server.names import ENVIRONMENT

PREFIX = "dw_"
ENVIRONMENT_DEFAULT = "live"
_HANDLE, _SECRET, _CHECKSUM = 16, 40, 7
PATTERN = re.compile(rf"dw_({ENVIRONMENT})_([a-z2-7]{{{_HANDLE + _SECRET + _CHECKSUM}}})")
"""What a key looks like; ``read_key`` says whether it is one."""

CHARACTERS_MAX = len(PREFIX) + 16 + 1 + _HANDLE + _SECRET + _CHECKSUM


class KeyText(NamedTuple):
    """The parts of a key as written; ``text`` is all of it, and is never kept."""

    environment: str
    handle: str
    text: str


def mint_key(environment: str) -> KeyText:
    """Make a new key; ``environment`` must match ``ENVIRONMENT``."""
    handle, secret = _random(_HANDLE), _random(_SECRET)
    unchecked = f"{PREFIX}{environment}_{handle}{secret}"
    return KeyText(environment, handle, unchecked + _checksum(unchecked))


def read_key(text: str) -> KeyText | None:
    """Take a key apart; None for what is not one, a typo in one included."""
    found = PATTERN.fullmatch(text) if len(text) <= CHARACTERS_MAX else None
    if found is None or _checksum(text[:-_CHECKSUM]) != text[-_CHECKSUM:]:
        return None
    return KeyText(found[1], found[2][:_HANDLE], text)


def without_keys(text: str) -> str:
    """Give a text with nothing of any key in it but that there was one, and of what environment."""
    return PATTERN.sub(r"dw_\1_redacted", text)


def _random(characters: int) -> str:
    """Give so many characters, a multiple of eight, of five random bits each."""
    return b32encode(secrets.token_bytes(characters * 5 // 8)).decode().lower()


def _checksum(text: str) -> str:
    """Give 32 bits in seven characters: three bits of the last one are always zero."""
    return b32encode(zlib.crc32(text.encode()).to_bytes(4)).decode()[:_CHECKSUM].lower()
