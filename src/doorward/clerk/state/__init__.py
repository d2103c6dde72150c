"""What the toolkit remembers between requests: revocations, webhook ids, roles and metadata.

``MemoryState`` for one process, ``SqliteState`` for the processes of one machine, ``RedisState``
and ``PostgresState`` for many. All hold the same small records and answer the same questions.
"""

from doorward.clerk.state.memory import MemoryState
from doorward.clerk.state.postgres import PostgresState
from doorward.clerk.state.record import Record, State, StateUnavailable
from doorward.clerk.state.redis import RedisState
from doorward.clerk.state.sqlite import SqliteState

__all__ = [
    "MemoryState",
    "PostgresState",
    "Record",
    "RedisState",
    "SqliteState",
    "State",
    "StateUnavailable",
]
