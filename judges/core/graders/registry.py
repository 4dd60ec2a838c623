"""The kinds of graders by the ``type`` in their document; each is loaded when one is read."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from judges.core.graders.fields import Fields
from judges.core.graders.grader import Grader

OPENAI_KINDS = MappingProxyType(
    {
        "string_check": "string_check.StringCheck",
        "text_similarity": "text_similarity.TextSimilarity",
        "score_model": "score_model.ScoreModel",
        "label_model": "label_model.LabelModel",
        "python": "python_source.PythonSource",
        "multi": "multi.Multi",
    }
)
OUR_KINDS = MappingProxyType(
    {
        "numeric": "numeric.Numeric",
        "math": "mathematical.Mathematical",
        "json_schema": "json_schema.JsonSchema",
        "regex": "regular_expression.RegularExpression",
        "code_tests": "code_tests.CodeTests",
        "length": "length.Length",
        "language": "language.Language",
    }
)
KINDS: Mapping[str, str] = MappingProxyType({**OPENAI_KINDS, **OUR_KINDS})


def read_grader(document: Any, path: str = "") -> Grader:
    """The grader that a document describes. Raises BadGrader, naming the field by its path."""
    fields = Fields(document, path)
    kind = fields.choice("type", KINDS)
    module, _, name = KINDS[kind].partition(".")
    grader: Grader = getattr(import_module(f"judges.core.graders.{module}"), name).read(fields)
    fields.finish()
    return grader
