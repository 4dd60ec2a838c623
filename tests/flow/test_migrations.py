"""Tests make their tables from the models; a server makes them by the migrations. Both are the same."""

import environ
from django.db import connection
from django.db.utils import ConnectionHandler

ROOMS = ("feedback_", "judges_", "alignment_", "trainer_")


def tables(database):
    """Each of our tables: its columns, and its keys, indices and checks by what they are of."""
    with database.cursor() as cursor:
        look = database.introspection
        return {
            table: (
                {
                    (column.name, column.type_code, column.null_ok)
                    for column in look.get_table_description(cursor, table)
                },
                sorted(
                    str(
                        (
                            sorted(key["columns"] or []),
                            key["primary_key"],
                            key["unique"],
                            key["check"],
                            key["foreign_key"],
                            key["index"],
                        )
                    )
                    for key in look.get_constraints(cursor, table).values()
                ),
            )
            for table in look.table_names(cursor)
            if table.startswith(ROOMS)
        }


def test_the_migrations_make_the_tables_that_the_models_want(db, manage, own_server, tmp_path):
    done = manage("migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    url = own_server.get("DATABASE_URL", f"sqlite:///{tmp_path / 'concord.sqlite3'}")
    migrated = ConnectionHandler({"default": environ.Env.db_url_config(url)})["default"]
    try:
        made, wanted = tables(migrated), tables(connection)
    finally:
        migrated.close()

    assert made.keys() == wanted.keys() > {"feedback_comparison", "trainer_run"}
    for table in wanted:
        assert made[table] == wanted[table], table
