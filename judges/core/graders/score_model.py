"""``score_model``: a model gives a number within a range (0 to 1 where none is given).

A number beyond the range is cut to it, as OpenAI does. A reply without a number has no grade, where OpenAI has 0.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields, is_number
from judges.core.graders.grade import MODEL_PARSE, Grade, NoGrade, one_later
from judges.core.graders.questions import Asking, asking, result_of, used_by
from judges.core.graders.services import MODELS, Services


@dataclass(frozen=True)
class ScoreModel:
    name: str
    asking: Asking
    low: float
    high: float
    type: ClassVar[str] = "score_model"
    asks: ClassVar[frozenset[str]] = MODELS

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.threshold()
        bounds = fields.value("range", None)
        low, high = (0.0, 1.0) if bounds is None else _bounds(fields, bounds)
        return cls(fields.name(), asking(fields), low, high)

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        ask = partial(self._grade, services=services)
        return await asyncio.gather(*(one_later(self.name, self.type, case, ask) for case in cases))

    async def _grade(self, case: Case, services: Services) -> Grade:
        started = perf_counter()
        reply = await self.asking.reply(case, services, {"type": "number"})
        result = result_of(reply)
        if not is_number(result):
            raise NoGrade(MODEL_PARSE, f"The model's result is no number: {result!r:.80}.")
        reward = min(max(float(result), self.low), self.high)
        return Grade(self.name, self.type, reward, seconds=perf_counter() - started, used=used_by(reply))


def _bounds(fields: Fields, bounds: Any) -> tuple[float, float]:
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not all(map(is_number, bounds)):
        raise fields.bad("range", f"must be two numbers, such as [0, 1], not {bounds!r:.80}")
    if bounds[0] >= bounds[1]:
        raise fields.bad("range", f"must ascend, not {bounds!r:.80}")
    return float(bounds[0]), float(bounds[1])
