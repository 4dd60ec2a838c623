"""Rows become values of known types: a field is asked for by name and type."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from feedback.records import BadRecord


class Fields:
    """One JSON object. A null counts as absent, which is what Parquet makes of an absent field."""

    def __init__(self, values: object, where: str = "") -> None:
        if not isinstance(values, dict | Mapping):  # a dict is told at once, a mapping is not
            raise BadRecord(f"it must be an object, not {_kind(values)}", where or None)
        if None in values.values():
            values = {name: value for name, value in values.items() if value is not None}
        self._values = values
        self._where = where

    def only(self, known: Iterable[str]) -> "Fields":
        """Raise BadRecord for a field that is none of ``known``: a misspelt one would vanish silently."""
        unknown = [str(name) for name in self._values if name not in known]
        if unknown:
            raise BadRecord(f"there is no such field; known are {', '.join(known)}", self.place(unknown[0]))
        return self

    def only_texts(self, *names: str) -> tuple[str, ...]:
        """The texts of these names, each needed, where there is nothing else."""
        found: tuple[Any, ...] = tuple(map(self._values.get, names))
        if len(self._values) == len(names) and all(type(text) is str for text in found):
            return found
        self.only(names)
        return tuple(self.text(name) for name in names)

    def place(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def has(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        return [str(name) for name in self._values]

    def is_text(self, name: str) -> bool:
        return isinstance(self._values.get(name), str)

    def is_list(self, name: str) -> bool:
        return isinstance(self._values.get(name), list)

    def is_object(self, name: str) -> bool:
        return isinstance(self._values.get(name), Mapping)

    def items(self, name: str) -> list[Any]:
        """The parts of a list, whatever they are."""
        found: list[Any] = self._typed(name, list, "a list", [])
        return found

    def name(self, name: str) -> str | None:
        """What names something: text or a whole number, as text; None where it is absent."""
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        return str(whole_number(value, self.place(name)))

    def part(self, name: str) -> "Fields":
        """An object inside this one."""
        return Fields(self._typed(name, Mapping, "an object", None), self.place(name))

    def text(self, name: str, default: str | None = None) -> str:
        found: str = self._typed(name, str, "text", default)
        return found

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self._values else None

    def whole(self, name: str) -> int | None:
        return whole_number(self._values[name], self.place(name)) if name in self._values else None

    def needed_whole(self, name: str) -> int:
        value = self.whole(name)
        if value is None:
            raise BadRecord("it is missing", self.place(name))
        return value

    def number(self, name: str) -> float | None:
        if name not in self._values:
            return None
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRecord(f"it must be a number, not {_kind(value)}", self.place(name))
        return _finite(value, self.place(name))

    def truth(self, name: str) -> bool:
        """True or false; false where it is absent."""
        found: bool = self._typed(name, bool, "true or false", False)
        return found

    def time(self, name: str) -> datetime | None:
        """A moment, in UTC; one without a time zone is taken for UTC."""
        value = self._values.get(name)
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            if moment is None or not isinstance(moment, datetime):
                raise ValueError
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            if value is None:
                return None
            reason = f"it must be a time such as 2026-05-01T10:00:00Z, not {value!r:.60}"
            raise BadRecord(reason, self.place(name)) from None

    def texts(self, name: str) -> list[str]:
        found: list[str] = self._typed(name, list, "a list", [])
        if not all(isinstance(value, str) for value in found):
            raise BadRecord("it must be a list of texts", self.place(name))
        return found

    def objects(self, name: str, *, required: bool = False) -> Iterator["Fields"]:
        found: list[Any] = self._typed(name, list, "a list", None if required else [])
        return (Fields(value, f"{self.place(name)}[{index}]") for index, value in enumerate(found))

    def pairs(self, name: str) -> dict[str, Any]:
        """An object of any names; a Parquet map is a list of (name, value). Nulls are absent."""
        if name not in self._values:
            return {}
        value: Any = self._values[name]
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = as_mapping(value, self.place(name))
        return dict(Fields(value, self.place(name))._values)

    def _typed(self, name: str, kind: type, words: str, default: Any) -> Any:
        if name not in self._values:
            if default is None:
                raise BadRecord("it is missing", self.place(name))
            return default
        value = self._values[name]
        if not isinstance(value, kind):
            raise BadRecord(f"it must be {words}, not {_kind(value)}", self.place(name))
        return value


def whole_number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRecord(f"it must be a whole number, not {_kind(value)}", where)
    return value


def as_mapping(value: object, where: str) -> Mapping[str, Any]:
    """An object, or a Parquet map, as a mapping."""
    try:
        found: dict[str, Any] = dict(value)  # type: ignore[call-overload]  # fails where it is none
    except (TypeError, ValueError):
        raise BadRecord(f"it must be an object, not {_kind(value)}", where) from None
    if not all(isinstance(name, str) for name in found):
        raise BadRecord("the names in an object must be texts", where)
    return found


def _finite(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise BadRecord("it is a number too large to hold", where) from None


def _kind(value: object) -> str:
    names = {
        str: "text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null" if value is None else type(value).__name__)
