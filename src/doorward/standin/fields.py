"""The parameters of one request, each judged where it is read."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from doorward.standin.refusals import Refused, invalid, missing, unknown

TEXT_CHARACTERS_MAX = 512
_TOKEN_CHARACTERS_MAX = 16 * 1024
_TEXTS_MAX = 200
_DEPTH_MAX = 32
_PAGE_MAX = 500
_OFFSET_MAX = 2**31
_MILLISECONDS_MAX = 2**53


class Fields:
    """A JSON object from a caller; every method raises Refused for what has another form."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def only(self, names: Iterable[str]) -> None:
        """Refuse a parameter that nobody reads."""
        for name in sorted(self._values.keys() - set(names)):
            raise unknown(name)

    def required(self, name: str) -> str:
        """Give a text that must be there."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def text(self, name: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> str | None:
        """Give a text that a database can hold."""
        value = self._values.get(name)
        if value is None:
            return None
        if not is_text(value, characters_max):
            raise invalid(name, f"a text of at most {characters_max} characters")
        return str(value)

    def token(self, *names: str) -> str:
        """Give a credential that must be there, by whichever name the caller's SDK has for it."""
        for name in names:
            value = self.text(name, characters_max=_TOKEN_CHARACTERS_MAX)
            if value:
                return value
        raise missing(names[0])

    def texts(self, name: str) -> list[str]:
        """Give a list of texts, empty when there is none."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > _TEXTS_MAX or not all(map(is_text, value)):
            raise invalid(name, "a list of texts")
        return value

    def time(self, name: str) -> float | None:
        """Give a time in seconds, of a text as in RFC 3339."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError) as exc:
            raise invalid(name, "a time such as 2026-01-31T12:00:00Z") from exc

    def flag(self, name: str) -> bool | None:
        """Give a yes or no."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(name, "true or false")
        return value

    def whole(self, name: str, *, low: int, high: int) -> int | None:
        """Give a whole number within bounds; a float that is one counts, as in JSON."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise invalid(name, "a whole number")
        if not low <= value <= high:
            raise invalid(name, f"a number from {low} to {high}")
        return int(value)

    def object(self, name: str) -> dict[str, Any] | None:
        """Give a JSON object that is not too deep to be walked."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or _is_deeper(value, _DEPTH_MAX):
            raise invalid(name, f"an object of at most {_DEPTH_MAX} levels")
        return value


class Query:
    """What follows the question mark; every method raises Refused for what has another form."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def only(self, names: Iterable[str]) -> None:
        """Refuse a filter that nobody reads: all rows would look like those that were asked for."""
        known = {*names, "limit", "offset", "order_by", "paginated", "__clerk_api_version"}
        for name in sorted(one.removesuffix("[]") for one in self._values):
            if name not in known:
                raise unknown(name)

    def all(self, name: str) -> list[str]:
        """Give all values of a name, whether it is repeated or ends in brackets."""
        return (self._values.get(name, []) + self._values.get(f"{name}[]", []))[:_TEXTS_MAX]

    def one(self, name: str) -> str | None:
        """Give the last value of a name."""
        found = self._values.get(name)
        return found[-1] if found else None

    def flag(self, name: str) -> bool | None:
        """Give a yes or no."""
        value = self.one(name)
        if value is None:
            return None
        if value not in {"true", "false"}:
            raise invalid(name, "true or false")
        return value == "true"

    def moment(self, name: str) -> float | None:
        """Give a time in seconds, of a number of milliseconds."""
        if self.one(name) is None:
            return None
        return self._number(name, 0, 0, _MILLISECONDS_MAX) / 1000

    def page(self) -> tuple[int, int]:
        """Give limit and offset."""
        return self._number("limit", 10, 1, _PAGE_MAX), self._number("offset", 0, 0, _OFFSET_MAX)

    def order(self, columns: Mapping[str, str]) -> str:
        """Give the ORDER BY of a list, newest first when nothing is said.

        ``columns`` are what may be asked for, and the SQL of each.
        """
        # A plus sign in a query is a space unless it was escaped, and SDKs do not agree on that.
        asked = (self.one("order_by") or "-created_at").replace(" ", "+")
        column = asked.lstrip("+-")
        if column not in columns:
            raise invalid("order_by", "an order of this list")
        return f"ORDER BY {columns[column]} {'DESC' if asked.startswith('-') else 'ASC'}, rowid"

    def _number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.one(name)
        if value is None:
            return default
        number = value.removesuffix(".0")  # Clerk's Python SDK has some of these as floats
        if not (number.isascii() and number.isdigit() and len(number) <= len(str(high))):
            raise invalid(name, "a whole number")
        if not low <= int(number) <= high:
            raise Refused(422, "form_param_invalid", f"{name} is from {low} to {high}.", name)
        return int(number)


def is_text(value: Any, characters_max: int = TEXT_CHARACTERS_MAX) -> bool:
    """Say whether a value is a text that a database can hold: half a character is none."""
    if not isinstance(value, str) or len(value) > characters_max or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _is_deeper(value: Any, depth: int) -> bool:
    if depth == 0:
        return True
    if isinstance(value, dict):
        return any(_is_deeper(one, depth - 1) for one in value.values())
    return isinstance(value, list) and any(_is_deeper(one, depth - 1) for one in value)
