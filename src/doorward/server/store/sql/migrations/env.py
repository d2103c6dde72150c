"""What Alembic runs: on the connection it was handed, in one transaction."""

from alembic import context

from doorward.server.store.sql.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
