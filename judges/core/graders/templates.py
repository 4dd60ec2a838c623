"""Templates: ``{{ item.reference.answers[0] }}`` becomes what is there, as text; nothing is ever formatted.

A variable is a namespace, ``item`` or ``sample``, and a path of names and of numbers in brackets. Text that was
put in is not looked at again, so no output of a model can bring a variable of its own.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judges.core.graders.case import Case
from judges.core.graders.fields import BadGrader, Fields
from judges.core.graders.grade import SAMPLE, VARIABLE, NoGrade

SAMPLE_NAMES = ("output_text", "output_json", "output_tools", "choices")
_NAME = r"\.([^\W\d][\w-]*)"
_STEP = re.compile(rf"{_NAME}|\[([0-9]{{1,6}})\]|\[\"([^\"\]]*)\"\]")


@dataclass(frozen=True)
class Template:
    """Pieces in turn: text, variable, text, variable, …, text. A variable is a path from the namespaces."""

    source: str
    pieces: tuple[str, ...]
    variables: tuple[tuple[str | int, ...], ...]

    def text(self, case: Case) -> str:
        """The text for this case. Raises NoGrade where a variable has no value there."""
        values = [_as_text(_found(case, path)) for path in self.variables]
        return self.pieces[0] + "".join(
            value + piece for value, piece in zip(values, self.pieces[1:], strict=True)
        )

    def value(self, case: Case) -> Any:
        """The value as JSON where the template is one variable and nothing else; its text otherwise."""
        if len(self.variables) == 1 and not "".join(self.pieces).strip():
            return _found(case, self.variables[0])
        return self.text(case)


def template(fields: Fields, name: str, default: Any = ..., *, empty: bool = True) -> Template:
    """A field that may hold variables. Raises BadGrader for one that can not be a variable."""
    text = fields.text(name, empty=empty) if default is ... else fields.text(name, default, empty=empty)
    return parsed(text, lambda problem: fields.bad(name, problem))


def parsed(text: str, bad: Callable[[str], BadGrader]) -> Template:
    """Braces that are not closed are text."""
    pieces: list[str] = [""]
    variables = []
    place = 0
    while (start := text.find("{{", place)) >= 0 and (end := text.find("}}", start)) >= 0:
        pieces[-1] += text[place:start]
        variables.append(_path(text[start + 2 : end], bad))
        pieces.append("")
        place = end + 2
    return Template(text, (*pieces[:-1], text[place:]), tuple(variables))


def _path(source: str, bad: Callable[[str], BadGrader]) -> tuple[str | int, ...]:
    namespace, rest = _namespace(source.strip())
    steps: list[str | int] = []
    place = 0
    while step := _STEP.match(rest, place):
        name, number, quoted = step.groups()
        steps.append(int(number) if number is not None else name if name is not None else quoted)
        place = step.end()
    if not steps or place < len(rest):
        raise bad(
            f"holds {{{{{source[:60]}}}}}, which is no variable; write item or sample, then names, "
            "such as {{item.reference}}"
        )
    if namespace == "sample" and steps[0] not in SAMPLE_NAMES:
        raise bad(f"asks for sample.{steps[0]}; a sample has {', '.join(SAMPLE_NAMES)}")
    return (namespace, *steps)


def _namespace(source: str) -> tuple[str, str]:
    for namespace in ("item", "sample"):
        if source.startswith(namespace):
            return namespace, source.removeprefix(namespace)
    return "", ""


def _found(case: Case, path: tuple[str | int, ...]) -> Any:
    namespace, *steps = path
    value: Any = case.sample if namespace == "sample" else case.item
    for place, step in enumerate(steps):
        inside = isinstance(value, Mapping) and step in value
        listed = isinstance(step, int) and isinstance(value, list | tuple) and step < len(value)
        if not (inside or listed):
            raise _absent(namespace, steps, place)
        value = value[step]
    return value


def _absent(namespace: str | int, steps: Sequence[str | int], place: int) -> NoGrade:
    if namespace == "sample" and steps[0] == "output_json" and place == 0:
        return NoGrade(SAMPLE, "The output is not JSON, so sample.output_json is not there.")
    if namespace == "sample" and steps[0] == "output_json":
        return NoGrade(SAMPLE, f"The output's JSON has no {_dotted(steps[1 : place + 1])}.")
    return NoGrade(VARIABLE, f"There is no {namespace}.{_dotted(steps[: place + 1])} in this row.")


def _dotted(steps: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
