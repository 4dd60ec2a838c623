"""Column types of the store: short tuples of whole numbers, and rows that are never edited."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core import checks
from django.db import models

if TYPE_CHECKING:
    _CharField = models.CharField[Iterable[int], tuple[int, ...]]
else:
    _CharField = models.CharField


def whole_numbers(text: str) -> tuple[int, ...]:
    """What an IntTupleField keeps, as the numbers."""
    return tuple(map(int, text.split(","))) if text else ()


class IntTupleField(_CharField):
    """A short tuple of non-negative whole numbers, kept as text: ``(1, 2)`` is ``"1,2"``, ``()`` is ``""``.

    Rankings and orders are tuples of this kind. As text they can be indexed, grouped and constrained alike
    on SQLite and PostgreSQL, which JSON and array columns can not.
    """

    # How django-stubs learns what is given to such a column and what comes back.
    _pyi_private_set_type: Iterable[int]  # type: ignore[assignment]  # narrower than CharField's
    _pyi_private_get_type: tuple[int, ...]  # type: ignore[assignment]  # narrower than CharField's
    _pyi_lookup_exact_type: Iterable[int] | str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 100)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", ())
        super().__init__(*args, **kwargs)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [] if self.max_length else super().check(**kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"max_length": self.max_length}

    def to_python(self, value: Any) -> tuple[int, ...]:
        if isinstance(value, str):
            return whole_numbers(value)
        return tuple(int(part) for part in value or ())

    def from_db_value(self, value: str | None, *_: Any) -> tuple[int, ...] | None:
        return None if value is None else self.to_python(value)

    def get_prep_value(self, value: Any) -> str:
        return value if isinstance(value, str) else ",".join(str(int(part)) for part in value or ())

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj))


class FrozenRow(models.Model):
    """A row that is written once. Rubrics, judges, policies, snapshots and reports change by a new version."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(f"A {self._meta.verbose_name} is never edited: store a new version of it.")
        super().save(*args, **kwargs)
