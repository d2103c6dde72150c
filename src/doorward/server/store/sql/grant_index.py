"""Grants as every request asks about them: at once, from the rows as they are at that moment.

As with keys, nothing is believed from an earlier look but what a row's version says is the same
still: a revocation counts in every process from the moment that it is committed.
"""

from collections import OrderedDict

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from doorward.server.oauth.model import Grant
from doorward.server.problems import Busy
from doorward.server.store.sql.asking import Asking
from doorward.server.store.sql.grants import GET_GRANT, grant_of

_KNOWN_MAX = 10_000
_VERSION = "SELECT version FROM oauth_grants WHERE id = ?"


class SqlGrantIndex:
    """GrantIndex over the same file as the rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = Asking(engine)
        self._known: OrderedDict[str, Grant] = OrderedDict()

    def by_id(self, grant_id: str) -> Grant | None:
        """Give a grant; raises Busy."""
        found = self._asking.one(_VERSION, grant_id)
        if found is None:
            return None
        known = self._known.get(grant_id)
        return known if known is not None and known.version == found[0] else self._read(grant_id)

    def _read(self, grant_id: str) -> Grant | None:
        try:
            with self._engine.connect() as connection:
                row = connection.execute(GET_GRANT, {"grant": grant_id}).one_or_none()
        except SQLAlchemyError as exc:
            raise Busy(headers={"Retry-After": "1"}) from exc
        if row is None:
            return None
        grant = self._known[grant_id] = grant_of(row)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return grant
