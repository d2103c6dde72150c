"""Brings a database to the newest revision; costs one query where it is there already."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

HEAD = "0009"
_FOLDER = Path(__file__).parent / "migrations"


class NewerDatabase(Exception):
    """The database was made by a newer Doorward, which this one must not touch."""


class NotMigrated(Exception):
    """There is no database, or it is not of this Doorward's revision."""


def migrate(engine: Engine, lock: Path) -> bool:
    """Bring the database to ``HEAD``, one process at a time; says whether there was anything to do.

    Raises NewerDatabase.
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        if _revision(connection) == HEAD:
            return False
    with _alone(lock), engine.connect() as connection:
        revision = _revision(connection)
        if revision is not None and revision > HEAD:
            raise NewerDatabase(
                f"The database is at revision {revision}, and this Doorward knows up to {HEAD}. "
                "Start the version that made it, or a newer one."
            )
        connection.rollback()
        _upgrade(connection)
    return True


def require_current(engine: Engine, path: Path) -> None:
    """Make sure that the database is there and at ``HEAD``; raises NotMigrated."""
    if not path.exists():
        raise NotMigrated(f"There is no database at {path}: name the folder with --data.")
    with engine.connect() as connection:
        revision = _revision(connection)
    if revision != HEAD:
        raise NotMigrated(
            f"The database is at revision {revision}, and this Doorward works on {HEAD}. "
            "Start the server once to bring it there."
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    with connection.begin():
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        return found.scalar_one_or_none()
    except OperationalError:  # no such table: a new database
        return None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
