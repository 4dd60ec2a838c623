"""The page that explains the API, made from its schema on this server: no script and nothing from elsewhere."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.views.generic import TemplateView
from drf_spectacular.generators import SchemaGenerator

from feedback.api.endpoint import MAX_BODY
from feedback.api.rows import MAX_ROWS

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """A parameter of the query, or a field of the body or the answer."""

    name: str
    type: str
    required: bool
    help: str


@dataclass(frozen=True)
class Part:
    """The fields of the query, the body or the answer; ``sent`` is what the caller sends."""

    title: str
    sent: bool
    fields: list[Field]


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for; ``parts`` are those that have fields."""

    name: str
    method: str
    steps: list[str]
    title: str
    text: str
    parts: list[Part]


class ApiDocs(TemplateView):
    template_name = "api_docs.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            operations=operations(),
            root=self.request.build_absolute_uri("/api/v1/"),
            max_rows=MAX_ROWS,
            max_mebibytes=MAX_BODY // 2**20,
            **kwargs,
        )


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the schema, in its order."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # untyped there
    return tuple(
        _operation(method, path, entry[method], schema)
        for path, entry in schema["paths"].items()
        for method in METHODS
        if method in entry
    )


def _operation(method: str, path: str, entry: dict[str, Any], schema: dict[str, Any]) -> Operation:
    title, _, text = entry.get("description", "").partition("\n\n")
    answers: dict[str, Any] = entry["responses"]
    answer = answers.get("200") or answers.get("201") or {}
    parts = [
        Part("Query", True, _query(entry, schema)),
        Part("Body", True, _fields(entry.get("requestBody", {}), schema)),
        Part("Answer", False, _fields(answer, schema)),
    ]
    return Operation(
        name=entry["operationId"],
        method=method.upper(),
        steps=path.strip("/").split("/"),
        title=_words(title),
        text=_words(text),
        parts=[part for part in parts if part.fields],
    )


def _query(entry: dict[str, Any], schema: dict[str, Any]) -> list[Field]:
    parameters = [each for each in entry.get("parameters", []) if each["in"] == "query"]
    return [_field(each["name"], each["schema"], each, schema) for each in parameters]


def _fields(content: dict[str, Any], schema: dict[str, Any]) -> list[Field]:
    """The fields of a JSON body, one row each; those of an inner object or of a list's rows follow with a dot."""
    body = content.get("content", {}).get("application/json", {}).get("schema", {})
    return _inner_fields(_resolved(body, schema), schema, "", depth=3)


def _inner_fields(body: dict[str, Any], schema: dict[str, Any], prefix: str, depth: int) -> list[Field]:
    found = []
    for name, part in body.get("properties", {}).items():
        required = name in body.get("required", [])
        found.append(_field(prefix + name, part, {"required": required}, schema))
        inner = _resolved(part, schema)
        rows = inner.get("type") == "array"
        inner = _resolved(inner["items"], schema) if rows else inner
        if depth > 1:
            found += _inner_fields(inner, schema, f"{prefix}{name}{'[]' if rows else ''}.", depth - 1)
    return found


def _field(name: str, part: dict[str, Any], about: dict[str, Any], schema: dict[str, Any]) -> Field:
    inner = _resolved(part, schema)
    text = about.get("description") or part.get("description") or ""
    return Field(name, _type(inner, schema), bool(about.get("required")), _words(text))


def _type(part: dict[str, Any], schema: dict[str, Any]) -> str:
    values = [str(value) for value in part.get("enum", []) if value not in ("", None)]
    if values:
        return " | ".join(values)
    if part.get("type") == "array":
        return f"list of {_type(_resolved(part['items'], schema), schema)}"
    return str(part.get("format") or part.get("type") or "any")


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """``part`` with its reference followed, and with the parts that it is a sum of put together."""
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[1]
        return _resolved(schema["components"]["schemas"][name], schema)
    whole = dict(part)
    for inner in [*part.get("allOf", []), *part.get("oneOf", [])]:
        whole = {**_resolved(inner, schema), **whole}
    return whole


def _words(text: str) -> str:
    """Markdown of one paragraph as plain words."""
    return " ".join(text.replace("`", "").split())
