"""New rows in bulk: on PostgreSQL by COPY, which takes a fraction of the time of INSERT; elsewhere as Django does."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Field, JSONField, Model

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
    columns = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
    keys = _complete(model, columns, names, new)
    table = connection.ops.quote_name(model._meta.db_table)
    column_names = ", ".join(connection.ops.quote_name(str(field.column)) for field in columns)
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


def _complete(
    model: type[Model], columns: Sequence["Field[Any, Any]"], names: Sequence[str], rows: list[Values]
) -> list[Any]:
    """Make each row one of all ``columns``, as the database takes them; the rows' keys."""
    place = {name: index for index, name in enumerate(names)}
    of = {field: _column(field, place.get(field.attname), rows) for field in columns}
    key = model._meta.pk
    if key.attname not in place:
        of[key] = _numbers(model, len(rows))
    rows[:] = map(list, zip(*of.values(), strict=True))
    return of[key]


def _column(field: "Field[Any, Any]", index: int | None, rows: list[Values]) -> list[Any]:
    if index is None:
        if field.primary_key:
            return []
        # A default, or the time: the same for all of them.
        value = field.pre_save(field.model(), add=True)
        return [field.get_db_prep_save(value, connection)] * len(rows)
    values = [row[index] for row in rows]
    if isinstance(field, _CONVERTED):
        return [field.get_db_prep_save(value, connection) for value in values]
    return values


def _numbers(model: type[Model], count: int) -> list[int]:
    """Keys that the table counts up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [model._meta.db_table, model._meta.pk.column, count],
        )
        return [number for (number,) in cursor.fetchall()]


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
