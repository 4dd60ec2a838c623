"""Reading a grader's document: every fault names its field, as a path from the document's root."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from feedback.records import BadRecord, check_text

LONGEST_NAME = 100  # characters
LONGEST_TEXT = 256 * 1024  # of a template or a source; OpenAI takes 256 kB of source
MISSING = object()


class BadGrader(ValueError):
    """A document that is no grader. ``field`` is the path to what is wrong, the message a sentence with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field or 'The grader'} {problem}.")
        self.field = field
        self.problem = problem


class Fields:
    """The fields of one grader, as its kind reads them one by one; ``path`` leads to it from the root."""

    def __init__(self, document: Any, path: str = "") -> None:
        self.path = path
        if not isinstance(document, Mapping):
            raise BadGrader(path, f"must be an object with a type, not {document!r:.80}")
        self.document = document
        self.known = {"type", "name"}

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def bad(self, name: str, problem: str) -> BadGrader:
        return BadGrader(self.at(name), problem)

    def value(self, name: str, default: Any = MISSING) -> Any:
        self.known.add(name)
        if name in self.document:
            return self.document[name]
        if default is MISSING:
            raise self.bad(name, "is missing")
        return default

    def name(self) -> str:
        """Its name; the documentation has graders without one, which go by their type."""
        return self.text("name", default=str(self.document.get("type")), most=LONGEST_NAME, empty=False)

    def text(self, name: str, default: Any = MISSING, *, most: int = LONGEST_TEXT, empty: bool = True) -> str:
        value = self.value(name, default)
        try:
            check_text(value, name, most)
        except BadRecord as bad:
            raise self.bad(name, f"can not be used: {bad.reason}") from None
        if not empty and not value.strip():
            raise self.bad(name, "is empty")
        return str(value)

    def choice(self, name: str, options: Collection[str], default: Any = MISSING) -> str:
        value = self.value(name, default)
        if not isinstance(value, str) or value not in options:
            raise self.bad(name, f"must be one of {', '.join(options)}, not {value!r:.80}")
        return value

    def number(self, name: str, default: Any = MISSING, *, least: float = -math.inf) -> float:
        value = self.value(name, default)
        if not is_number(value) or value < least:
            at_least = f" of at least {least:g}" if least > -math.inf else ""
            raise self.bad(name, f"must be a number{at_least}, not {value!r:.80}")
        return float(value)

    def whole(self, name: str, default: Any = MISSING, *, least: int, most: int) -> Any:
        value = self.value(name, default)
        if value is default:
            return value
        if type(value) is not int or not least <= value <= most:
            raise self.bad(name, f"must be a whole number from {least} to {most}, not {value!r:.80}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.value(name, default)
        if type(value) is not bool:
            raise self.bad(name, f"must be true or false, not {value!r:.80}")
        return value

    def texts(self, name: str, default: Any = MISSING) -> tuple[str, ...]:
        value = self.value(name, default)
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise self.bad(name, f"must be a list of texts, and not an empty one, not {value!r:.80}")
        for index, text in enumerate(value):
            if not isinstance(text, str):
                raise self.bad(f"{name}[{index}]", f"must be text, not {text!r:.80}")
        return tuple(value)

    def threshold(self) -> None:
        """``pass_threshold`` is for reports of evaluations; a reward does not change with it."""
        if self.value("pass_threshold", None) is not None:
            self.number("pass_threshold")

    def finish(self) -> None:
        """Nothing else may be there: a misspelt field would be a grader that means something else."""
        unknown = sorted(str(name) for name in set(self.document) - self.known)
        if unknown:
            raise self.bad(unknown[0], f"is not known here; use {', '.join(sorted(self.known))}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
