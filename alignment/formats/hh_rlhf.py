"""Anthropic's hh-rlhf: two whole dialogues a row, ``chosen`` and ``rejected``, that differ in their last
turn only.

The published preference becomes one judgment of the human rater ``hh-rlhf``. The two answers are put in the
order of a hash of their texts under the same source, so that neither order nor name says which one was
chosen.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, preferred
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message

NAME = "hh-rlhf"
_ROLES = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"\n\n(Human|Assistant):")
_ANSWER = "\n\nAssistant:"


def recognise(values: Mapping[str, Any]) -> bool:
    dialogues = (values.get("chosen"), values.get("rejected"))
    return all(isinstance(text, str) and text.startswith("\n\nHuman:") for text in dialogues)


def read(path: Path) -> Read:
    return each_row(path, _records)


def split_dialogues(chosen: str, rejected: str) -> tuple[str, str, str]:
    """(shared dialogue, answer of ``chosen``, answer of ``rejected``), split at the last answer they both
    begin.

    Raises BadRecord where the dialogues are equal, share no such turn, or go on after it.
    """
    if chosen == rejected:
        raise BadRecord("the chosen dialogue equals the rejected one", "rejected")
    end = _shared(chosen, rejected).rfind(_ANSWER)
    if end < 0:
        raise BadRecord("the two dialogues share no turn of the assistant", "rejected")
    start = end + len(_ANSWER)
    for name, dialogue in (("chosen", chosen), ("rejected", rejected)):
        if _TURN.search(dialogue, start):
            raise BadRecord("the two dialogues differ before their last turn", name)
    return chosen[:end], chosen[start:].strip(), rejected[start:].strip()


def parse_dialogue(dialogue: str) -> list[Message]:
    """The turns of ``\\n\\nHuman: …\\n\\nAssistant: …`` as messages, without the space around each text."""
    before, *turns = _TURN.split(dialogue)
    if before.strip() or not turns:
        raise BadRecord("the dialogue does not begin with a turn of Human or Assistant", "chosen")
    names, texts = turns[::2], turns[1::2]
    return [{"role": _ROLES[name], "content": text.strip()} for name, text in zip(names, texts, strict=True)]


def _shared(first: str, second: str) -> str:
    """The longest text that both begin with."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[:middle] == second[:middle] else (low, middle - 1)
    return first[:low]


def _records(fields: Fields) -> Iterable[ComparisonRecord]:
    shared, chosen, rejected = split_dialogues(fields.text("chosen"), fields.text("rejected"))
    yield preferred(
        parse_dialogue(shared), chosen, rejected, judgment=JudgmentRecord(rater=NAME), sources=(NAME, NAME)
    )
