"""How PostgreSQL lays out a table, said beside its model: Django has no word for it."""

from typing import Any

from django.db import models


class TableStorage(models.BaseConstraint):
    """Storage parameters of a table, such as ``fillfactor=80``. On SQLite it is nothing.

    A constraint in form only, since those are what migrations carry along with a table.
    """

    def __init__(self, *, name: str, **parameters: Any) -> None:
        super().__init__(name=name)
        self.parameters = parameters

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        """Nothing within CREATE TABLE; the statement follows it."""
        if sql := self.create_sql(model, schema_editor):
            schema_editor.deferred_sql.append(sql)
        return ""

    def create_sql(self, model: Any, schema_editor: Any) -> str:
        values = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        return self._alter(model, schema_editor, f"SET ({values})")

    def remove_sql(self, model: Any, schema_editor: Any) -> str:
        return self._alter(model, schema_editor, f"RESET ({', '.join(self.parameters)})")

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """A row can not break it."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TableStorage)
            and self.name == other.name
            and self.parameters == other.parameters
        )

    __hash__ = models.BaseConstraint.__hash__

    def deconstruct(self) -> Any:
        path, arguments, keywords = super().deconstruct()
        return path, arguments, {**keywords, **self.parameters}

    @staticmethod
    def _alter(model: Any, schema_editor: Any, what: str) -> str:
        if schema_editor.connection.vendor != "postgresql":
            return ""
        return f"ALTER TABLE {schema_editor.quote_name(model._meta.db_table)} {what}"
