"""``text_similarity``: how near a text is to a reference, by one of the measures of ``similarity`` or by cosine.

Cosine is that of two embeddings. OpenAI takes text-embedding-3-large; here they come from whatever
OpenAI-compatible server the services name. Without one a case has no grade.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import OTHER, Grade, NoGrade, each, without
from judges.core.graders.services import EMBEDDINGS, NOTHING, Services
from judges.core.graders.similarity import MEASURES, METRICS
from judges.core.graders.templates import Template, template
from judges.core.usage import Usage

LONGEST = 20_000  # characters of each text
MOST_PAIRS = 4_000_000  # of words, which rouge_l compares one by one: a second's work


@dataclass(frozen=True)
class TextSimilarity:
    name: str
    input: Template
    reference: Template
    metric: str
    type: ClassVar[str] = "text_similarity"

    @property
    def asks(self) -> frozenset[str]:
        return EMBEDDINGS if self.metric == "cosine" else NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.threshold()
        return cls(
            fields.name(),
            template(fields, "input"),
            template(fields, "reference"),
            fields.choice("evaluation_metric", METRICS),
        )

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        if self.metric == "cosine":
            return await self._by_embeddings(cases, services)
        return await asyncio.to_thread(each, self.name, self.type, cases, self._score)

    def _texts(self, case: Case) -> tuple[str, str]:
        texts = self.input.text(case), self.reference.text(case)
        if max(map(len, texts)) > LONGEST:
            raise NoGrade(OTHER, f"A text is longer than {LONGEST} characters, which are compared at most.")
        if self.metric == "rouge_l" and len(texts[0].split()) * len(texts[1].split()) > MOST_PAIRS:
            raise NoGrade(OTHER, f"The texts have more than {MOST_PAIRS:,} pairs of words, compared at most.")
        return texts

    def _score(self, case: Case) -> float:
        return min(1.0, MEASURES[self.metric](*self._texts(case)))

    async def _by_embeddings(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        """All texts of the cases that have both go to the server together."""
        started = perf_counter()
        texts: list[str] = []
        problems: dict[int, NoGrade] = {}
        for index, case in enumerate(cases):
            try:
                texts += self._texts(case)
            except NoGrade as problem:
                problems[index] = problem
        try:
            vectors, model, used = await services.embed(texts) if texts else ([], "", 0)
        except NoGrade as problem:
            return [without(self.name, self.type, problems.get(n, problem)) for n in range(len(cases))]
        share = (perf_counter() - started) / len(cases)
        graded = len(cases) - len(problems)
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        tokens = {model: Usage(math.ceil(used / graded), 0)} if graded and used else {}
        return [
            without(self.name, self.type, problems[index], share)
            if index in problems
            else Grade(self.name, self.type, cosine(*next(pairs)), seconds=share, used=tokens)
            for index in range(len(cases))
        ]


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, from -1 to 1; 0 where one is all zeros."""
    length = math.hypot(*first) * math.hypot(*second)
    return sum(a * b for a, b in zip(first, second, strict=True)) / length if length else 0.0
