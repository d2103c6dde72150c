"""Notes of blobs that are to go, and of those that are being kept."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)

from doorward.server.files.model import Content
from doorward.server.integrity.model import STAGED
from doorward.server.store.sql.tables import (
    Instant,
    damaged_blobs,
    doomed_blobs,
    keeping_blobs,
    uploads,
    versions,
)

_NOTE = insert(doomed_blobs).prefix_with("OR IGNORE", dialect="sqlite")
_RELEASE = _NOTE.from_select(
    ["key", "workspace_id", "digest", "size", "due_at", "going"],
    select(
        bindparam("blob"),
        bindparam("workspace"),
        bindparam("of_digest"),
        bindparam("of_size"),
        bindparam("due", type_=Instant),
        literal(0),
    ).where(~exists().where(versions.c.blob_key == bindparam("blob"))),
)
# What is being given to a store may arrive there after it was removed, so it is left till then.
_DUE = (doomed_blobs.c.due_at <= bindparam("at", type_=Instant)) & ~exists().where(
    keeping_blobs.c.key == doomed_blobs.c.key
)
_FIRST_DUE = select(doomed_blobs.c.key).where(_DUE).limit(bindparam("most"))
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_STAGED: BindParameter[str] = bindparam("staged", expanding=True)
_THESE = doomed_blobs.c.key.in_(_KEYS)
# Open uploads have no index by blob, so they are gone through once for all of the keys.
_COMING_KEY = uploads.c.blob_key
_IS_OPEN = uploads.c.status.in_(("pending", "receiving"))
_COMING = select(_COMING_KEY).where(_IS_OPEN, _COMING_KEY.in_(_KEYS))
# The copy on the local disk of what is still coming goes no more than the blob itself does.
_STAGED_COMING = select(literal(STAGED) + _COMING_KEY).where(_IS_OPEN, _COMING_KEY.in_(_STAGED))
_NAMED = (
    exists().where(versions.c.blob_key == doomed_blobs.c.key)
    | doomed_blobs.c.key.in_(_COMING)
    | doomed_blobs.c.key.in_(_STAGED_COMING)
)
_SAVE = delete(doomed_blobs).where(_THESE, _NAMED)
_GOING = update(doomed_blobs).where(_THESE).values(going=True)
_STILL = select(doomed_blobs.c.key).where(_THESE)
_FORGET = delete(doomed_blobs).where(_THESE)
_NO_DAMAGE = delete(damaged_blobs).where(damaged_blobs.c.key.in_(_KEYS))
_KEEP = insert(keeping_blobs)
_KEPT = delete(keeping_blobs).where(keeping_blobs.c.holder == bindparam("by"))
_DIED = delete(keeping_blobs)


class SqlBlobs:
    """BlobRows over the tables ``doomed_blobs`` and ``keeping_blobs``."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def doom(self, key: str) -> None:
        """Note that the blob may go once this is durable."""
        self._connection.execute(_NOTE, {"key": key, "due_at": self._now, "going": True})

    def release(self, workspace_id: str, contents: Sequence[Content], due: datetime) -> None:
        """Note that those of the blobs that no version names any more may go from ``due`` on."""
        for content in contents:
            self._connection.execute(
                _RELEASE,
                {
                    "blob": content.blob_key,
                    "workspace": workspace_id,
                    "of_digest": content.digest,
                    "of_size": content.size,
                    "due": due,
                },
            )

    def is_due(self, at: datetime) -> bool:
        """Say whether there is a blob to go."""
        return self._connection.execute(_FIRST_DUE, {"at": at, "most": 1}).first() is not None

    def claim(self, at: datetime, limit: int) -> list[str]:
        """Give blobs that go now, so that nothing can name them any more."""
        due = list(self._connection.execute(_FIRST_DUE, {"at": at, "most": limit}).scalars())
        staged = [key.removeprefix(STAGED) for key in due if key.startswith(STAGED)]
        self._connection.execute(_SAVE, {"keys": due, "staged": staged})
        self._connection.execute(_GOING, {"keys": due})
        return list(self._connection.execute(_STILL, {"keys": due}).scalars())

    def forget(self, keys: Sequence[str]) -> None:
        """Drop the notes of blobs that are gone."""
        self._connection.execute(_FORGET, {"keys": list(keys)})
        self._connection.execute(_NO_DAMAGE, {"keys": list(keys)})

    def keep(self, holder: str, key: str) -> None:
        """Note that a store far away is being given the blob."""
        self._connection.execute(_KEEP, {"holder": holder, "key": key})

    def kept(self, holder: str) -> None:
        """Drop that note."""
        self._connection.execute(_KEPT, {"by": holder})

    def keepers_died(self) -> None:
        """Drop every such note."""
        self._connection.execute(_DIED)
