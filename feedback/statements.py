"""Statements written out, for what every answer and every take asks.

Making such a statement anew from objects takes longer than running it; elsewhere the ORM is the way.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import JSONField, Model, TextField

Parameters = Sequence[Any] | dict[str, Any]
M = TypeVar("M", bound=Model)
_LONG = (JSONField, TextField)
_LITTLE = {"mmap_size": 0, "cache_size": -4000}  # bytes; a size below 0 is in kilobytes


def rows(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """What the statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def objects(model: type[M], statement: str, parameters: Parameters) -> list[M]:
    """The rows that the statement finds, as objects; it selects every column of the model's table."""
    return list(model._default_manager.raw(statement, parameters))


def one(model: type[M], statement: str, parameters: Parameters) -> M | None:
    """The first of them, or None."""
    return next(iter(objects(model, statement, parameters)), None)


def run(statement: str, parameters: Parameters) -> int:
    """How many rows the statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        changed: int = cursor.rowcount
    return changed


def run_each(statement: str, parameters: Sequence[Parameters]) -> None:
    """The statement once for each of them, sent together."""
    if not parameters:
        return
    with connection.cursor() as cursor:
        cursor.executemany(statement, parameters)


def refresh_statistics(*models: type[Model]) -> None:
    """Let PostgreSQL look at tables that just grew: until it does, by itself within a minute, it plans every statement
    for the few rows that it remembers, and reads a table of millions through. Long texts, by which nothing is looked up
    and which take most of the time, it passes over."""
    if connection.vendor != "postgresql":
        return
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        for model in models:
            fields = [field for field in model._meta.concrete_fields if not isinstance(field, _LONG)]
            columns = ", ".join(quoted(str(field.column)) for field in fields)
            cursor.execute(f"ANALYZE {quoted(model._meta.db_table)} ({columns})")


def places(values: Iterable[Any]) -> str:
    """A place in a statement for each value of a list: ``IN (%s, %s)``."""
    return ", ".join("%s" for _value in values)


def stored(moment: datetime) -> Any:
    """A time as this database keeps it."""
    return connection.ops.adapt_datetimefield_value(moment)


@contextmanager
def reading_through() -> Iterator[None]:
    """While all of a project is read once, SQLite neither maps its file into memory nor keeps many pages of it, which
    together would come to two hundred megabytes."""
    if connection.vendor != "sqlite":
        yield
        return
    kept = {name: rows(f"PRAGMA {name}", [])[0][0] for name in _LITTLE}
    for name, size in _LITTLE.items():
        rows(f"PRAGMA {name} = {size}", [])
    try:
        yield
    finally:
        for name, size in kept.items():
            rows(f"PRAGMA {name} = {size}", [])
