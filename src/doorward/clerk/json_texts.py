"""JSON of strangers, bounded before it is read.

A reader that recurses to the interpreter's limit leaves no stack to whatever else runs there: a
garbage collection in its deepest call makes the finalizers of other objects fail. So what nests
too deeply is never given to a reader.
"""

import re
from itertools import accumulate
from typing import Any

import msgspec

DEPTH_MAX = 100
"""Levels of arrays and objects; claims with metadata have fewer than ten."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}

_decode = msgspec.json.Decoder().decode


class NotAnObject(ValueError):
    """The text is no JSON object, or nests too deeply."""


def read_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object (RFC 8259) of at most ``DEPTH_MAX`` levels; raises NotAnObject."""
    if nests_too_deeply(text):
        raise NotAnObject("nested too deeply")
    try:
        found = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise NotAnObject("not JSON") from exc
    if type(found) is not dict:
        raise NotAnObject("not an object")
    return found


def nests_too_deeply(text: bytes) -> bool:
    """Say whether arrays and objects stand in one another beyond ``DEPTH_MAX``.

    Where so few open at all, counting them is enough; brackets within strings are none.
    """
    if text.count(b"[") + text.count(b"{") <= DEPTH_MAX:
        return False
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    return any(depth > DEPTH_MAX for depth in accumulate(map(_STEPS.__getitem__, brackets)))
