"""Keys as every request asks about them: at once, from the rows as they are at that moment.

Nothing is believed from an earlier look but what a row's version says is the same still, so there
is no channel by which a revocation would have to arrive.
"""

from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import json
from sqlalchemy import JSON, Engine
from sqlalchemy.types import TypeEngine

from doorward.server.keys.model import Key
from doorward.server.store.sql.asking import Asking
from doorward.server.store.sql.keys import key_of
from doorward.server.store.sql.tables import Instant, keys

_KNOWN_MAX = 10_000
_BY_HANDLE = """
SELECT key_secrets.digest, key_secrets.expires_at, keys.id, keys.version
FROM key_secrets JOIN keys ON keys.id = key_secrets.key_id WHERE key_secrets.handle = ?
"""
_VERSION = "SELECT version FROM keys WHERE id = ?"
_COLUMNS = {column.name: column.type for column in keys.columns}
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM keys WHERE id = ?"  # noqa: S608 - our own names


class SqlProof(NamedTuple):
    """One secret as it stands now, with its key."""

    key: Key
    digest: bytes
    expires_at: datetime | None


class SqlKeyIndex:
    """KeyIndex over the same file as the rows."""

    def __init__(self, engine: Engine) -> None:
        self._asking = Asking(engine)
        self._known: OrderedDict[str, Key] = OrderedDict()

    def by_handle(self, handle: str) -> SqlProof | None:
        """Give the secret with a handle; raises Busy."""
        found = self._asking.one(_BY_HANDLE, handle)
        if found is None:
            return None
        digest, expires_at, key_id, version = found
        key = self._known.get(key_id)
        if key is None or key.version != version:
            key = self._read(key_id)
        return None if key is None else SqlProof(key, digest, _instant(expires_at))

    def by_id(self, key_id: str) -> Key | None:
        """Give a key; raises Busy."""
        found = self._asking.one(_VERSION, key_id)
        if found is None:
            return None
        known = self._known.get(key_id)
        return known if known is not None and known.version == found[0] else self._read(key_id)

    def _read(self, key_id: str) -> Key | None:
        row = self._asking.one(_ALL, key_id)
        if row is None:
            return None
        key = self._known[key_id] = key_of(_Row(row))
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return key


class _Row:
    """A row as the driver gives it, read as the table's types would be."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        for (name, type_), value in zip(_COLUMNS.items(), values, strict=True):
            setattr(self, name, _read(type_, value))


def _read(type_: TypeEngine[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(type_, Instant):
        return _instant(value)
    return json.decode(value) if isinstance(type_, JSON) else value


def _instant(microseconds: int | None) -> datetime | None:
    return Instant().process_result_value(microseconds, None)  # type: ignore[arg-type]
