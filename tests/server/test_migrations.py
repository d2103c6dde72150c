"""The migrations make the tables that the code declares, and lose nothing on the way."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from doorward.server.store.sql.migrate import HEAD, NotMigrated, migrate, require_current
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.tables import metadata


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(tmp_path / "rows.db", durable=False)
    yield engine
    engine.dispose()


def bring_to(engine, revision):
    config = Config()
    config.set_main_option("script_location", "doorward.server.store.sql:migrations")
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_newest_revision_has_the_tables_that_the_code_declares(engine, tmp_path):
    assert migrate(engine, tmp_path / "lock")

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_versions_of_an_older_database_count_their_bytes_once(engine, tmp_path):
    bring_to(engine, "0002")
    with engine.connect() as connection, connection.begin():
        sql = connection.exec_driver_sql
        sql(
            "INSERT INTO workspaces (id, name, created_by, created_at, used_bytes, quota_bytes) "
            "VALUES ('ws_1', 'w', 'user_a', 0, 8, 100)"
        )
        sql(
            "INSERT INTO nodes (id, workspace_id, parent_id, name, kind, created_by, created_at, "
            "updated_at, version) VALUES ('file_1', 'ws_1', '', 'a', 'file', 'user_a', 0, 0, 3)"
        )
        # The third is the first, made current again.
        for number, key, size in ((1, "k1", 3), (2, "k2", 5), (3, "k1", 3)):
            sql(
                "INSERT INTO versions (id, file_id, workspace_id, number, blob_key, size, digest, "
                "content_type, created_by, created_at) "
                "VALUES (?, 'file_1', 'ws_1', ?, ?, ?, 'd', 'a/b', 'u', 0)",
                (f"ver_{number}", number, key, size),
            )

    migrate(engine, tmp_path / "lock")

    with engine.connect() as connection:
        counted = connection.exec_driver_sql("SELECT counted_bytes FROM versions ORDER BY number")
        assert list(counted.scalars()) == [3, 5, 0]


def test_uploads_that_ended_in_an_older_database_ended_by_the_end_of_their_life(engine, tmp_path):
    bring_to(engine, "0006")
    with engine.connect() as connection, connection.begin():
        sql = connection.exec_driver_sql
        sql(
            "INSERT INTO workspaces (id, name, created_by, created_at, used_bytes, quota_bytes) "
            "VALUES ('ws_1', 'w', 'user_a', 0, 8, 100)"
        )
        for status in ("complete", "pending"):
            sql(
                "INSERT INTO uploads (id, workspace_id, declared, bought_by, status, "
                "received_bytes, created_at, url_expires_at, expires_at) "
                "VALUES (?, 'ws_1', '{}', '{}', ?, 0, 1, 2, 3)",
                (status, status),
            )

    migrate(engine, tmp_path / "lock")

    with engine.connect() as connection:
        closed = connection.exec_driver_sql("SELECT id, closed_at FROM uploads ORDER BY id")
        assert list(closed) == [("complete", 3), ("pending", None)]


def test_a_database_of_another_revision_is_not_worked_on(engine, tmp_path):
    bring_to(engine, "0001")

    with pytest.raises(NotMigrated, match=f"0001.*{HEAD}"):
        require_current(engine, tmp_path / "rows.db")
