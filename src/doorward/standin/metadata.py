"""Metadata of users, organizations and memberships: merged deep, or replaced whole."""

import json
from collections.abc import Mapping
from typing import Any

from doorward.standin.refusals import Refused

BYTES_MAX = 8 * 1024


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge objects at every depth; a null takes its key away, anything else takes its place."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def stored(value: Mapping[str, Any], param: str) -> str:
    """Give metadata as it is kept; raises Refused when there is too much of it."""
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > BYTES_MAX:
        message = f"{param} is larger than {BYTES_MAX} bytes."
        raise Refused(422, "form_param_exceeds_allowed_size", message, param)
    return text
