"""Statements written out, for what every answer and every take asks.

Making such a statement anew from objects takes longer than running it; elsewhere the ORM is the way.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

Parameters = Sequence[Any] | dict[str, Any]


def rows(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """What the statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def run(statement: str, parameters: Parameters) -> int:
    """How many rows the statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def run_each(statement: str, parameters: Sequence[Sequence[Any]]) -> None:
    """The statement once for each of these; nothing for none."""
    with connection.cursor() as cursor:
        for each in parameters:
            cursor.execute(statement, each)


def places(values: Iterable[Any]) -> str:
    """A place in a statement for each value of a list: ``IN (%s, %s)``."""
    return ", ".join("%s" for _value in values)
