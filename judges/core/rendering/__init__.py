"""A judge and one comparison become requests; the texts to be judged stay fenced material.

``requests_for`` makes all requests of a comparison, ``render`` one of them. See ``text`` for what a judge is here,
``ids`` for what responses are called, ``templates`` for a judge's own wording, ``fence`` for how texts are quoted.
"""

from judges.core.rendering.fence import Section, sections_of
from judges.core.rendering.ids import CODES, ids_for
from judges.core.rendering.requests import orders, render, requests_for
from judges.core.rendering.schema import FAIL, PASS, TIE, reply_schema
from judges.core.rendering.system import system_text
from judges.core.rendering.templates import BadTemplate, check_templates
from judges.core.rendering.text import BEST_OF_N, MODES, PAIRWISE, PASS_FAIL, SCORES, Example, JudgeText

__all__ = [
    "BEST_OF_N",
    "CODES",
    "FAIL",
    "MODES",
    "PAIRWISE",
    "PASS",
    "PASS_FAIL",
    "SCORES",
    "TIE",
    "BadTemplate",
    "Example",
    "JudgeText",
    "Section",
    "check_templates",
    "ids_for",
    "orders",
    "render",
    "reply_schema",
    "requests_for",
    "sections_of",
    "system_text",
]
