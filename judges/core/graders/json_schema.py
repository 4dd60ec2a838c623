"""``json_schema`` (ours): 1 where a text is JSON that its schema allows.

{"type": "json_schema", "name", "input", "schema": {…}}. Draft 2020-12, or the one that $schema names. A $ref leads
to the schema itself and nowhere else, and patterns are RE2's, so that neither can take for ever.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import re2
from jsonschema import exceptions, validators

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import Grade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template


@dataclass(frozen=True)
class JsonSchema:
    name: str
    input: Template
    validator: Any  # the package builds its classes at run time
    type: ClassVar[str] = "json_schema"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        schema = fields.value("schema")
        if not isinstance(schema, Mapping | bool):
            raise fields.bad("schema", f"must be a JSON schema, not {schema!r:.80}")
        return cls(fields.name(), template(fields, "input"), _validator(fields, schema))

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        try:
            value = json.loads(self.input.text(case))
            return float(self.validator.is_valid(value))
        except (ValueError, RecursionError):
            return 0.0


def _validator(fields: Fields, schema: Any) -> Any:
    base: Any = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        base.check_schema(schema)
        for reference in _values(schema, "$ref", "$dynamicRef"):
            if not str(reference).startswith("#"):
                raise fields.bad("schema", f"refers to {reference!r:.80}; only #/… within itself is followed")
        for pattern in patterns_in(schema):
            re2.compile(pattern, _quiet())
    except exceptions.SchemaError as error:
        raise fields.bad("schema", f"is no JSON schema: {error.message[:200]}") from None
    except re2.error:
        raise fields.bad("schema", f"holds the pattern {pattern!r:.80}, which RE2 does not know") from None
    checks = {"pattern": _pattern, "patternProperties": _pattern_properties, "uniqueItems": _unique}
    return validators.extend(base, checks)(schema)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    if isinstance(value, str) and not re2.search(pattern, value, _quiet()):
        yield exceptions.ValidationError(f"{value!r:.80} does not match {pattern!r}")


def _pattern_properties(validator: Any, properties: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    if isinstance(value, dict):
        for pattern, inner in properties.items():
            for name, part in value.items():
                if re2.search(pattern, name, _quiet()):
                    yield from validator.descend(part, inner, path=name, schema_path=pattern)


def _unique(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001
    """In time that grows with the list; the package's own compares every two of its items."""
    if wanted and isinstance(value, list):
        seen = {json.dumps(_plain(item), sort_keys=True) for item in value}
        if len(seen) < len(value):
            yield exceptions.ValidationError("two items are equal")


def _plain(value: Any) -> Any:
    """1.0 as 1, since JSON schema takes them for the same."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def patterns_in(schema: Any) -> Iterator[str]:
    yield from (str(pattern) for pattern in _values(schema, "pattern") if isinstance(pattern, str))
    for properties in _values(schema, "patternProperties"):
        yield from properties if isinstance(properties, Mapping) else ()


def _values(schema: Any, *names: str) -> Iterator[Any]:
    if isinstance(schema, Mapping):
        for name, part in schema.items():
            if name in names:
                yield part
            yield from _values(part, *names)
    elif isinstance(schema, list):
        for part in schema:
            yield from _values(part, *names)


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options
