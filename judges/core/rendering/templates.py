"""A judge's own wording: texts with a few slots, each filled by joining. A template is no string format.

A slot is ``{{name}}``. What fills one is never searched for slots, so no text can open another. A slot that stays
empty takes the line breaks before it along.
"""

import re
from collections.abc import Mapping

from feedback.records import BadRecord, check_text
from judges.core.rendering.text import JudgeText

SYSTEM = "{{task}}\n\n{{fence}}\n\n{{rubric}}\n\n{{examples}}\n\n{{reply}}"
MESSAGE = "{{conversation}}\n\n{{reference}}\n\n{{responses}}"
LONGEST = 20_000  # characters
_SLOT = re.compile(r"\{\{([^{}\n]*)\}\}")


class BadTemplate(ValueError):
    """A template that can not be used; ``field`` names which, ``problem`` what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


def check_templates(judge: JudgeText) -> None:
    """Raise BadTemplate for a slot that is unknown, doubled or missing."""
    system, message = ["fence", "rubric", "reply"], ["conversation", "responses"]
    if judge.examples:
        system.append("examples")
    if judge.use_reference:
        message.append("reference")
    if judge.system_template:
        _check("system_template", judge.system_template, SYSTEM, system)
    if judge.message_template:
        _check("message_template", judge.message_template, MESSAGE, message)


def filled(template: str, fillings: Mapping[str, str]) -> str:
    """The template with each slot replaced; the template is one that was checked."""
    parts: list[str] = []
    for index, piece in enumerate(_SLOT.split(template)):
        text = fillings[piece.strip()] if index % 2 else piece
        if index % 2 and not text and parts:
            parts[-1] = parts[-1].rstrip("\n")
        parts.append(text)
    return "".join(parts).strip()


def _check(field: str, template: str, default: str, needed: list[str]) -> None:
    try:
        check_text(template, field, LONGEST)
    except BadRecord as bad:
        raise BadTemplate(field, f"can not be used: {bad.reason}") from None
    names = [name.strip() for name in _SLOT.findall(template)]
    known = _SLOT.findall(default)
    for name in names:
        if name not in known:
            raise BadTemplate(field, f"has the slot {{{{{name}}}}}, which is not known; use {_listed(known)}")
        if names.count(name) > 1:
            raise BadTemplate(field, f"has the slot {{{{{name}}}}} more than once; leave one")
    for name in needed:
        if name not in names:
            raise BadTemplate(field, f"needs the slot {{{{{name}}}}}; put it where that text belongs")
    if "{{" in _SLOT.sub("", template) or "}}" in _SLOT.sub("", template):
        raise BadTemplate(field, "has {{ or }} that belong to no slot; a slot is {{name}}, in one line")


def _listed(names: list[str]) -> str:
    return ", ".join(f"{{{{{name}}}}}" for name in names)
