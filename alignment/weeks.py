"""Weeks of the store: counted from Monday, 5 January 1970, in UTC, by the database."""

from datetime import date, timedelta
from typing import Any

from django.db.models import Func, IntegerField

_FIRST = date(1970, 1, 5)


class Week(Func):
    """The week of a time."""

    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "FLOOR((EXTRACT(EPOCH FROM %(expressions)s) - 345600) / 604800)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) - 345600) / 604800)"
        return self.as_sql(compiler, connection, template=template, **context)


def monday(week: int) -> str:
    """The day on which a week begins, as ISO writes it."""
    return (_FIRST + timedelta(weeks=week)).isoformat()
