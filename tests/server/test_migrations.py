"""The migrations make the tables that the code declares, and lose nothing on the way."""

from importlib import import_module
from io import StringIO

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations

from doorward.server.store.sql.migrate import HEAD, NotMigrated, migrate, require_current
from doorward.server.store.sql.sqlite import open_engine
from doorward.server.store.sql.tables import metadata

VERSIONS = "doorward.server.store.sql.migrations.versions"


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


def test_uploads_of_an_older_database_keep_their_size_and_their_promise(engine, tmp_path):
    bring_to(engine, "0006")
    with engine.connect() as connection, connection.begin():
        sql = connection.exec_driver_sql
        sql(
            "INSERT INTO workspaces (id, name, created_by, created_at, used_bytes, quota_bytes, "
            "reserved_bytes) VALUES ('ws_1', 'w', 'user_a', 0, 0, 100, 10)"
        )
        for upload, status, size in (("up_1", "pending", 10), ("up_2", "complete", 5_000_000_000)):
            sql(
                "INSERT INTO uploads (id, workspace_id, declared, bought_by, status, "
                "received_bytes, created_at, url_expires_at, expires_at) "
                "VALUES (?, 'ws_1', ?, '{}', ?, 0, 0, 0, 0)",
                (upload, f'{{"name": "a", "size": {size}}}', status),
            )

    migrate(engine, tmp_path / "lock")

    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT size, promised_bytes FROM uploads ORDER BY id")
        assert [tuple(row) for row in found] == [(10, 10), (5_000_000_000, 0)]


def test_the_sizes_of_an_older_database_are_read_on_postgresql_too():
    """Guards against a cast to four bytes, which holds no size over two gigabytes."""
    out = StringIO()
    opts = {"as_sql": True, "literal_binds": True, "output_buffer": out}
    context = MigrationContext.configure(dialect_name="postgresql", opts=opts)
    with Operations.context(context):
        import_module(f"{VERSIONS}.0007_unknown_sizes").upgrade()

    sql = out.getvalue()
    assert "CAST(CAST(uploads.declared ->> 'size' AS VARCHAR) AS BIGINT)" in sql
    assert "AS INTEGER" not in sql


def test_a_database_of_another_revision_is_not_worked_on(engine, tmp_path):
    bring_to(engine, "0001")

    with pytest.raises(NotMigrated, match=f"0001.*{HEAD}"):
        require_current(engine, tmp_path / "rows.db")


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
                "VALUES (?, 'ws_1', ?, '{}', ?, 0, 1, 2, 3)",
                (status, '{"name": "a", "size": 8}', status),
            )

    migrate(engine, tmp_path / "lock")

    with engine.connect() as connection:
        closed = connection.exec_driver_sql("SELECT id, closed_at FROM uploads ORDER BY id")
        assert list(closed) == [("complete", 3), ("pending", None)]
