"""``label_model``: a model picks one of some labels; 1 for a passing one, 0 for any other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import MODEL_PARSE, Grade, NoGrade, one_later
from judges.core.graders.questions import Asking, asking, result_of, used_by
from judges.core.graders.services import MODELS, Services


@dataclass(frozen=True)
class LabelModel:
    name: str
    asking: Asking
    labels: tuple[str, ...]
    passing: frozenset[str]
    type: ClassVar[str] = "label_model"
    asks: ClassVar[frozenset[str]] = MODELS

    @classmethod
    def read(cls, fields: Fields) -> Self:
        labels, passing = fields.texts("labels"), fields.texts("passing_labels")
        if len(set(labels)) < len(labels):
            raise fields.bad("labels", "holds the same label twice")
        strange = [label for label in passing if label not in labels]
        if strange:
            raise fields.bad("passing_labels", f"holds {strange[0]!r:.80}, which is none of the labels")
        return cls(fields.name(), asking(fields), labels, frozenset(passing))

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        ask = partial(self._grade, services=services)
        return await asyncio.gather(*(one_later(self.name, self.type, case, ask) for case in cases))

    async def _grade(self, case: Case, services: Services) -> Grade:
        started = perf_counter()
        result_schema = {"type": "string", "enum": list(self.labels)}
        reply = await self.asking.reply(case, services, result_schema)
        label = result_of(reply)
        if label not in self.labels:
            raise NoGrade(MODEL_PARSE, f"The model's result is none of the labels: {label!r:.80}.")
        return Grade(
            self.name,
            self.type,
            float(label in self.passing),
            seconds=perf_counter() - started,
            note=f"The label is {label}.",
            used=used_by(reply),
        )
