"""A grader as a judge: every response is graded by itself, and the rewards become the verdict.

Settings: ``grader``, its document (see ``judges.core.graders``); ``margin``, the largest difference of rewards
that is still a tie, 0 by default; ``models`` and ``embeddings``, whom a grader asks that asks somebody. It reads the
fenced texts of the request alone: the responses, and the item that holds the reference.

Where a response has no grade there is no verdict: the reply says why, and does not fit what was asked for. Where
a model's server failed, its Failure is raised instead, since the same question may be answered later; what the
other responses of the request cost is then paid again.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import BadGrader
from judges.core.graders.grade import Grade, used_together
from judges.core.graders.registry import read_grader
from judges.core.graders.services import EMBEDDINGS, MODELS, Services
from judges.core.providers.keys import Key
from judges.core.providers.provider import BadSettings, Reply, TokenCount
from judges.core.providers.settings import only
from judges.core.rendering import TIE, sections_of
from judges.core.request import Request
from judges.core.usage import NOTHING, UNKNOWN

GRADER = "grader"
SETTINGS = ("grader", "margin", "models", "embeddings")
LONGEST_REASON = 300  # characters of why one response has the reward it has


class _Waiting(NamedTuple):
    cases: Sequence[Case]
    answer: "asyncio.Future[list[Grade]]"


class GraderProvider:
    """One grader. Requests that are asked at the same time are graded together: code starts one process for all."""

    def __init__(self, settings: Mapping[str, Any], key: Key | None = None) -> None:
        only(settings, SETTINGS)
        try:
            self.grader = read_grader(settings.get("grader"))
        except BadGrader as bad:
            raise BadSettings(f"grader.{bad.field}" if bad.field else "grader", bad.problem) from None
        margin = settings.get("margin", 0.0)
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < 10**9:
            raise BadSettings("margin", f"must be a number of at least 0, not {margin!r:.80}")
        self.margin = float(margin)
        self._named = {name: settings.get(name) for name in ("models", "embeddings")}
        self._key = key
        for name in sorted(self.grader.asks & (MODELS | EMBEDDINGS)):
            if self._named[name] is None:
                raise BadSettings(name, "must be named: this grader asks for them")
        self._services = Services(**self._named, key=key)
        self._waiting: list[_Waiting] = []

    @property
    def free(self) -> bool:
        return not self.grader.asks

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses that its model and embeddings graders ask."""
        return self._services.servers

    async def __aenter__(self) -> Self:
        self._services = await Services(**self._named, key=self._key).__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._services.__aexit__(*raised)

    async def count_tokens(self, request: Request) -> TokenCount:
        """Of the texts once for each model grader; how its own messages embed them is not looked into."""
        if self.free:
            return TokenCount(0, exact=True)
        return TokenCount(sum(len(message["content"]) for message in request.messages) // 3, exact=False)

    async def ask(self, request: Request) -> Reply:
        sections = [(section.name.split(), section.text) for section in sections_of(request)]
        item: dict[str, Any] = next((json.loads(text) for name, text in sections if name == ["item"]), {})
        texts = {name[1]: text for name, text in sections if name[0] == "response"}
        grades = await self._graded([Case(text, item) for text in texts.values()])
        failure = next((grade.failure for grade in grades if grade.failure), None)
        if failure is not None:
            raise failure
        return self._reply(dict(zip(texts, grades, strict=True)))

    async def _graded(self, cases: Sequence[Case]) -> list[Grade]:
        """With those of all requests that wait at this moment."""
        waiting = _Waiting(cases, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        await asyncio.sleep(0)
        if self._waiting and self._waiting[0] is waiting:
            together, self._waiting = self._waiting, []
            await self._answer(together)
        return await waiting.answer

    async def _answer(self, together: Sequence[_Waiting]) -> None:
        try:
            cases = [case for waiting in together for case in waiting.cases]
            grades = iter(await self.grader.grades(cases, self._services))
        except BaseException as error:
            for waiting in together:
                waiting.answer.cancel()
            raise error
        for waiting in together:
            waiting.answer.set_result([next(grades) for _ in waiting.cases])

    def _reply(self, grades: Mapping[str, Grade]) -> Reply:
        used = used_together(grades.values())
        usage = NOTHING if self.free else next(iter(used.values()), UNKNOWN)
        for other in list(used.values())[1:]:
            usage = usage.plus(other)
        return Reply(
            text=json.dumps(self._said(grades), ensure_ascii=False),
            stop_reason="end_turn",
            # Several models have several prices: together they go by a name that no price is known for.
            served_model=" + ".join(used) or self.grader.type,
            usage=usage,
        )

    def _said(self, grades: Mapping[str, Grade]) -> dict[str, Any]:
        rewards = {label: grade.reward for label, grade in grades.items() if grade.reward is not None}
        said = {"rationale": " ".join(_sentence(label, grade) for label, grade in grades.items())}
        if len(rewards) < len(grades):
            return said
        best, second, *_ = sorted(rewards.values(), reverse=True)
        verdict = TIE if best - second <= self.margin else max(rewards, key=rewards.__getitem__)
        return said | {"verdict": verdict}


def _sentence(label: str, grade: Grade) -> str:
    """What the grader says of one response, with a multi grader's parts."""
    reward = "no grade" if grade.reward is None else f"{grade.reward:.4g}"
    parts = ", ".join(
        f"{name} {'none' if part.reward is None else format(part.reward, '.4g')}"
        for name, part in grade.parts.items()
    )
    more = f" ({parts})" if parts else ""
    reason = f" {grade.reason[:LONGEST_REASON]}" if grade.reason else ""
    return f"{label}: {reward}{more}.{reason}"
