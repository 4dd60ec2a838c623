"""New rows in bulk: on PostgreSQL by COPY, which takes a fraction of the time of INSERT; elsewhere as Django does."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import JSONField, Model

from feedback.models.fields import IntTupleField

_CONVERTED = (JSONField, IntTupleField)  # the others' values are what a column takes
Values = list[Any]


def store_new(
    model: type[Model], names: Sequence[str], rows: Iterable[Values], *, ignore_conflicts: bool = False
) -> list[Any]:
    """Store rows that are not there yet; their keys.

    Each row is a list of values, of the columns ``names``; other columns take their defaults. With ``ignore_conflicts``
    a row that is there already is passed over, and there are no keys unless every row was stored and they are known.
    Inside a transaction. Otherwise a row that a constraint refuses raises IntegrityError.
    """
    new = list(rows)
    if not new:
        return []
    if connection.vendor != "postgresql":
        made = model._default_manager.bulk_create(
            [model(**dict(zip(names, row, strict=True))) for row in new], ignore_conflicts=ignore_conflicts
        )
        return [] if ignore_conflicts else [row.pk for row in made]
    columns, keys = _complete(model, names, new)
    table = connection.ops.quote_name(model._meta.db_table)
    column_names = ", ".join(map(connection.ops.quote_name, columns))
    if not ignore_conflicts:
        _copy(table, column_names, new)
        return keys
    try:
        with transaction.atomic():
            _copy(table, column_names, new)
        return keys
    except IntegrityError:
        _copy_around(table, column_names, new)
        return []


def _complete(model: type[Model], names: Sequence[str], rows: list[Values]) -> tuple[list[str], list[Any]]:
    """Make each row one of all columns, as the database takes them; the columns, and the rows' keys."""
    place = {name: index for index, name in enumerate(names)}
    columns, rest = list(names), []
    for field in model._meta.concrete_fields:
        if field.attname in place:
            index = place[field.attname]
            columns[index] = str(field.column)
            if isinstance(field, _CONVERTED):
                for row in rows:
                    row[index] = field.get_db_prep_save(row[index], connection)
        elif not field.primary_key and not getattr(field, "generated", False):
            # A default, or the time: the same for all of them.
            columns.append(str(field.column))
            rest.append(field.get_db_prep_save(field.pre_save(field.model(), add=True), connection))
    key = model._meta.pk
    if key.attname in place:
        keys = [row[place[key.attname]] for row in rows]
        for row in rows:
            row += rest
    else:
        columns.append(str(key.column))
        keys = _numbers(model, len(rows))
        for row, number in zip(rows, keys, strict=True):
            row += [*rest, number]
    return columns, keys


def _numbers(model: type[Model], count: int) -> list[int]:
    """Keys that the table counts up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(counter)) FROM generate_series(1, %s), "
            "(SELECT pg_get_serial_sequence(%s, %s)::regclass AS counter OFFSET 0) found",
            [count, model._meta.db_table, model._meta.pk.column],
        )
        keys: list[int] = cursor.fetchone()[0]
        return keys


def _copy_around(table: str, names: str, rows: Iterable[Values]) -> None:
    """Rows by way of a table beside, so that those that are there already are passed over."""
    rest = f"SELECT {names} FROM"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE beside AS {rest} {table} LIMIT 0")
        _copy("beside", names, rows)
        cursor.execute(f"INSERT INTO {table} ({names}) {rest} beside ON CONFLICT DO NOTHING")
        cursor.execute("DROP TABLE beside")


def _copy(table: str, names: str, rows: Iterable[Values]) -> None:
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
