"""A grader's document as OpenAI's service takes it for reinforcement fine-tuning: exactly its fields.

Kinds of ours become a ``python`` grader where that gives the same rewards (length, numeric, and json_schema
without patterns); the others are refused by name. Where we have no grade, OpenAI has 0.
"""

from collections.abc import Mapping
from typing import Any

from judges.core.graders import numeric
from judges.core.graders.fields import BadGrader
from judges.core.graders.registry import read_grader

IMAGE = "2025-05-08"  # the packages that OpenAI documents, jsonschema among them
FIELDS = {
    "string_check": ("type", "name", "input", "reference", "operation"),
    "text_similarity": ("type", "name", "input", "reference", "evaluation_metric"),
    "score_model": ("type", "name", "input", "model", "range", "sampling_params"),
    "label_model": ("type", "name", "input", "model", "labels", "passing_labels"),
    "python": ("type", "name", "source", "image_tag"),
}
_RESOLVE = """\
def value(path, sample, item):
    found = {"sample": sample, "item": item}
    for step in path:
        found = found[step]
    return found


def resolve(pieces, paths, sample, item):
    text = pieces[0]
    for path, piece in zip(paths, pieces[1:]):
        found = value(path, sample, item)
        text += (found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)) + piece
    return text
"""


def openai_grader(document: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's JSON. Raises BadGrader for what its service has nothing like, naming the grader."""
    grader = read_grader(document)
    if document["type"] == "multi":
        graders = {name: _plain(each, name) for name, each in _named(document).items()}
        return {
            "type": "multi",
            "name": grader.name,
            "graders": graders,
            "calculate_output": document["calculate_output"],
        }
    plain = _plain(document, "")
    if plain["type"] != "label_model":
        return plain
    # A label grader is taken within a multi alone.
    return {
        "type": "multi",
        "name": grader.name,
        "graders": {"label": plain},
        "calculate_output": "label",
    }


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    graders = document["graders"]
    if isinstance(graders.get("type"), str):
        return {graders.get("name") or graders["type"]: graders}
    return dict(graders)


def _plain(document: Mapping[str, Any], path: str) -> dict[str, Any]:
    kind = document["type"]
    if kind in FIELDS:
        plain = {name: document[name] for name in FIELDS[kind] if document.get(name) is not None}
        return _as_documented({"name": kind} | plain, document, path)
    if kind in ("length", "numeric", "json_schema"):
        source = _source(document, path)
        return {"type": "python", "name": document.get("name", kind), "source": source, "image_tag": IMAGE}
    raise BadGrader(path, f"is of the kind {kind}, for which OpenAI has nothing that gives the same rewards")


def _as_documented(plain: dict[str, Any], document: Mapping[str, Any], path: str) -> dict[str, Any]:
    if plain.get("evaluation_metric") == "cosine":
        raise BadGrader(path, "compares by cosine, which OpenAI has for evaluations alone")
    if plain.get("operation") == "neq":
        plain["operation"] = "ne"
    sampling = dict(plain.get("sampling_params", {}))
    if "max_tokens" in sampling:
        sampling["max_completions_tokens"] = sampling.pop("max_tokens")
        plain["sampling_params"] = sampling
    if document["type"] == "label_model" and document.get("sampling_params"):
        raise BadGrader(path, "has sampling_params, which OpenAI takes for score_model alone; leave them out")
    return plain


def _source(document: Mapping[str, Any], path: str) -> str:
    grader: Any = read_grader(document)
    text = f"resolve({grader.input.pieces!r}, {grader.input.variables!r}, sample, item)"
    match document["type"]:
        case "length":
            return _length(grader, text)
        case "numeric":
            reference = f"resolve({grader.reference.pieces!r}, {grader.reference.variables!r}, sample, item)"
            return _numeric(grader, text, reference)
        case _:
            return _json_schema(document, path, text)


def _length(grader: Any, text: str) -> str:
    measured = {"characters": "text", "words": "text.split()", "lines": "text.splitlines()"}[grader.unit]
    beyond = f"max(0.0, 1.0 - beyond / {grader.slack!r})" if grader.slack else "0.0"
    return (
        f"import json\n\n{_RESOLVE}\n\ndef grade(sample, item):\n    text = {text}\n    length = len({measured})\n"
        f"    beyond = max({grader.least} - length, length - {grader.most}, 0)\n"
        f"    return {beyond} if beyond else 1.0\n"
    )


def _numeric(grader: Any, text: str, reference: str) -> str:
    return (
        f"import json\nimport math\nimport re\n\n{_RESOLVE}\n\n"
        f"NUMBER = re.compile({numeric.NUMBER!r}, re.ASCII)\n\n\n"
        "def number_in(text, place):\n"
        "    found = [match.group(0) for match in NUMBER.finditer(text)]\n"
        "    if not found or (place == 'only' and found != [text.strip()]):\n        return None\n"
        "    plain = ''.join((found[0] if place == 'first' else found[-1]).split())\n"
        "    plain = plain.replace(',', '').replace('\\u2212', '-')\n"
        "    percent = plain.endswith('%')\n"
        "    top, _, bottom = plain.removesuffix('%').partition('/')\n"
        "    try:\n        value = float(top) / float(bottom or 1) / (100.0 if percent else 1.0)\n"
        "    except (ValueError, ZeroDivisionError, OverflowError):\n        return None\n"
        "    return value if math.isfinite(value) else None\n\n\n"
        f"def grade(sample, item):\n    reference = number_in({reference}, 'only')\n"
        f"    number = number_in({text}, {grader.place!r})\n"
        "    if reference is None:\n        raise ValueError('the reference is no number')\n"
        "    if number is None:\n        return 0.0\n"
        f"    return float(abs(number - reference) <= max({grader.absolute!r}, {grader.relative!r} * "
        "abs(reference)))\n"
    )


def _json_schema(document: Mapping[str, Any], path: str, text: str) -> str:
    from judges.core.graders.json_schema import patterns_in

    if any(patterns_in(document["schema"])):
        raise BadGrader(path, "has patterns in its schema, which OpenAI's packages read another way")
    return (
        f"import json\n\nfrom jsonschema import validators\n\n{_RESOLVE}\n\n"
        f"SCHEMA = {document['schema']!r}\n"
        "VALIDATOR = validators.validator_for(SCHEMA, default=validators.Draft202012Validator)(SCHEMA)\n\n\n"
        f"def grade(sample, item):\n    try:\n        value = json.loads({text})\n"
        "    except ValueError:\n        return 0.0\n"
        "    return float(VALIDATOR.is_valid(value))\n"
    )
