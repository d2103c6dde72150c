"""Names that are safe on every system that may one day hold the file."""

import unicodedata

from doorward.server.problems import NameInvalid

NAME_BYTES_MAX = 255
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"com{digit}" for digit in "123456789¹²³"}
    | {f"lpt{digit}" for digit in "123456789¹²³"}
)
# Controls that reorder or hide text make a name read as another one (Unicode TR 36, section 3).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u200b\u2060\ufeff")

ENVIRONMENT = r"[a-z][a-z0-9]{0,15}"
"""What names an environment, such as ``live``."""


def checked_name(name: str) -> str:
    """Give the name in Unicode NFC, so that one spelling has one form.

    Raises NameInvalid, saying which rule was broken: empty, too long, a separator, a control or
    reordering character, a reserved name, a space or dot at an end.
    """
    normal = unicodedata.normalize("NFC", name)
    broken = _broken_rule(normal)
    if broken is not None:
        raise NameInvalid(f"This name can't be used: {broken}.")
    return normal


def _broken_rule(name: str) -> str | None:
    if not name:
        return "it is empty"
    if not _encodable(name):
        return "it holds half a character (a lone surrogate)"
    if len(name.encode()) > NAME_BYTES_MAX:
        return f"it is longer than {NAME_BYTES_MAX} bytes in UTF-8"
    if "/" in name or "\\" in name:
        return "it holds a path separator"
    return _broken_character_rule(name) or _broken_whole_rule(name)


def _broken_character_rule(name: str) -> str | None:
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in name):
        return "it holds a control character"
    if not _BIDI.isdisjoint(name):
        return "it holds a character that changes the direction of text"
    if not _INVISIBLE.isdisjoint(name):
        return "it holds an invisible character"
    return None


def _broken_whole_rule(name: str) -> str | None:
    if name in {".", ".."}:
        return "it stands for a folder itself"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a space, or ends with a dot"
    if name.split(".", 1)[0].rstrip().casefold() in _RESERVED:
        return "it is reserved on some systems"
    return None


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
