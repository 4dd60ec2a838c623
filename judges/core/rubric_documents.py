"""Rubrics in and out as documents: one form, written as JSON or as YAML, read strictly.

    {"name": …, "instructions": …, "criteria": [{"name": …, "description": …, "scale": [1, 5],
     "anchors": {"1": …, "5": …}, "weight": 1, "scored_by": "both" | "people" | "judges"}]}

All but the names may be left out. What is unknown, doubled or of a wrong type is refused by the field's name.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from judges.core.rubric import BadRubric, CriterionText, RubricText, check_rubric

LARGEST = 1_000_000  # characters of a document
DEFAULT_SCALE = [1, 5]
_RUBRIC = ("name", "instructions", "criteria")
_CRITERION = ("name", "description", "scale", "anchors", "weight", "scored_by")


def rubric_document(rubric: RubricText) -> dict[str, Any]:
    """The rubric as plain JSON values, every field written out."""
    return {
        "name": rubric.name,
        "instructions": rubric.instructions,
        "criteria": [_criterion_document(criterion) for criterion in rubric.criteria],
    }


def rubric_from_document(document: object) -> RubricText:
    """The rubric of a document. Raises BadRubric, which names the field."""
    values = _object(document, "rubric", _RUBRIC)
    criteria = values.get("criteria", [])
    if not isinstance(criteria, list):
        raise BadRubric("criteria", f"must be a list of criteria, not {criteria!r:.80}")
    rubric = RubricText(
        name=_text(values, "name", ""),
        instructions=_text(values, "instructions", ""),
        criteria=tuple(
            _criterion(criterion, f"criteria[{index}]") for index, criterion in enumerate(criteria)
        ),
    )
    check_rubric(rubric)
    return rubric


def rubric_to_json(rubric: RubricText) -> str:
    return json.dumps(rubric_document(rubric), indent=2, ensure_ascii=False) + "\n"


def rubric_to_yaml(rubric: RubricText) -> str:
    document = rubric_document(rubric)
    for criterion in document["criteria"]:
        criterion["anchors"] = {int(level): text for level, text in criterion["anchors"].items()}
    written: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return written


def rubric_from_text(text: str) -> RubricText:
    """A rubric written as JSON or YAML; which of them shows from its first sign. Raises BadRubric."""
    if len(text) > LARGEST:
        raise BadRubric("rubric", f"has {len(text)} characters; use at most {LARGEST}")
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            document = json.loads(text.lstrip("\ufeff"), object_pairs_hook=_no_key_twice)
        else:
            document = yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from the safe loader
    except BadRubric:
        raise
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadRubric("rubric", f"is no YAML{line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise BadRubric("rubric", f"is no YAML: {error!s:.200}") from None
    except json.JSONDecodeError as error:
        raise BadRubric("rubric", f"is no JSON in line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise BadRubric(
            "rubric", "can not be read: a number in it is too long, or it is nested too deep"
        ) from None
    return rubric_from_document(document)


def _criterion_document(criterion: CriterionText) -> dict[str, Any]:
    return {
        "name": criterion.name,
        "description": criterion.description,
        "scale": [criterion.scale_min, criterion.scale_max],
        "anchors": {str(level): text for level, text in sorted(criterion.anchors.items())},
        "weight": criterion.weight,
        "scored_by": criterion.scored_by,
    }


def _criterion(document: object, where: str) -> CriterionText:
    values = _object(document, where, _CRITERION)
    scale = values.get("scale", DEFAULT_SCALE)
    if not isinstance(scale, list) or len(scale) != 2 or not all(type(end) is int for end in scale):
        raise BadRubric(f"{where}.scale", f"must be two whole numbers, such as [1, 5], not {scale!r:.80}")
    return CriterionText(
        name=_text(values, "name", where),
        description=_text(values, "description", where),
        scale_min=scale[0],
        scale_max=scale[1],
        anchors=_anchors(values.get("anchors", {}), f"{where}.anchors"),
        weight=_weight(values.get("weight", 1.0), f"{where}.weight"),
        scored_by=_text({"scored_by": "both", **values}, "scored_by", where),
    )


def _anchors(value: object, where: str) -> dict[int, str]:
    if not isinstance(value, Mapping):
        raise BadRubric(where, f"must map levels to texts, not {value!r:.80}")
    anchors: dict[int, str] = {}
    for name, text in value.items():
        level = _level(name, where)
        if level in anchors:
            raise BadRubric(where, f"give the level {level} twice")
        if not isinstance(text, str):
            raise BadRubric(f"{where}[{level}]", f"must be text, not {text!r:.80}; put it in quotes")
        anchors[level] = text
    return anchors


def _level(name: object, where: str) -> int:
    """A level is a number in YAML and its digits in JSON, whose names are text."""
    if type(name) is int:
        return name
    if isinstance(name, str) and len(name) <= 5 and name.removeprefix("-").isdecimal() and name.isascii():
        return int(name)
    raise BadRubric(where, f"must be named by whole numbers of the scale, not {name!r:.80}")


def _weight(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        raise BadRubric(where, f"must be a number of 0 or more, not {value!r:.80}")
    return float(value)


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        at = f"{where}.{name}" if where else name
        raise BadRubric(at, f"must be text, not {value!r:.80}; put it in quotes")
    return value


def _object(document: object, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise BadRubric(where, f"must be an object with {', '.join(known)}, not {document!r:.80}")
    unknown = [str(name) for name in document if name not in known]
    if unknown:
        raise BadRubric(
            f"{where}.{unknown[0]:.80}".removeprefix("rubric."), f"is not known; use {', '.join(known)}"
        )
    return document


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadRubric(f"{name:.80}", "is given twice in one object")
        found[name] = value
    return found


class _Loader(yaml.SafeLoader):
    """YAML's plain values only: no aliases, by which a few lines become gigabytes, and no name twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise BadRubric("rubric", "uses an alias (*name); write the text out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise BadRubric(f"{name:.80}", "is given twice in one object")
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Texts of more than one line as blocks, which people can read and edit."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML takes these for line breaks or drops them, unless they are written as escapes.
    odd = any(character in text for character in "\r\x85\u2028\u2029\ufeff")
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if odd else "|" if "\n" in text else None
    )


_Dumper.add_representer(str, _block)
