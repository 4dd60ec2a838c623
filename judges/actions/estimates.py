"""What a run will take, before it starts: a sample of its requests is made, counted and priced, and scaled up.

Nothing is paid for. What is not known stays unknown: a cost without a price is None, and says why.
"""

import asyncio
import random
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.db.models import QuerySet

from feedback.models import Comparison, Purpose, Tag
from judges.actions.budgets import unknown_price
from judges.actions.cases import Case, cases_of
from judges.actions.keys import limits_of, provider_of
from judges.actions.pricing import Prices, prompt_bytes
from judges.actions.questions import Questions
from judges.core.providers import Failure, Provider
from judges.core.request import Request
from judges.core.usage import Usage
from judges.models import Judge, JudgeCall, JudgeRun, RunMode
from judges.queries import comparisons_left

SAMPLE = 50  # comparisons
EARLIER = 500  # calls whose replies tell how long replies are
BYTES_A_TOKEN = 3.5
SHORTEST_CACHED = 1024  # tokens; providers cache no shorter beginning of a prompt
COUNTING_SECONDS = 15.0
STANDARD_ERRORS = 2.0  # on each side: some 95 %
SEED = 0  # of the sample, so that an estimate asked for twice is the same


class Range(NamedTuple):
    """A figure for the whole run, and between what it lies with some 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Of one run. ``calls`` are to be paid for; ``stored`` have their reply already and cost nothing.

    ``exact``: the prompt's tokens were counted by the provider, in ``sampled`` comparisons. ``bound``: nothing is
    known of the length of replies, so the most is assumed. ``cost`` is in dollars, None where it is ``unknown``,
    which says why; ``priced_since`` is the day of the price. ``seconds`` at the limits that are known, else None.
    """

    comparisons: int
    calls: int
    stored: int
    sampled: int
    exact: bool
    bound: bool
    input_tokens: Range
    output_tokens: Range
    cost: Range | None
    unknown: str = ""
    priced_since: str = ""
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            name: None if value is None else value._asdict()
            for name, value in (
                ("input_tokens", self.input_tokens),
                ("output_tokens", self.output_tokens),
                ("cost", self.cost),
            )
        }


def estimate_run(
    *, judge: Judge, tag: Tag | None = None, purpose: str = Purpose.TRAIN, mode: str = RunMode.LIVE
) -> Estimate:
    """What a run over the same comparisons, started now, would take. Refused: a provider that can not be used."""
    provider = provider_of(judge)
    run = JudgeRun(judge=judge, tag=tag, purpose=purpose, mode=mode)
    left = comparisons_left(run)
    total = left.count()
    cases = _sample(left, total, run)
    prices = Prices.of(judge, provider)
    counted, exact = _count([call.request for case in cases for call in case.missing], provider)
    return _Scaled(judge, provider, prices, mode, total, cases, counted, exact).estimate()


def _sample(left: QuerySet[Comparison], total: int, run: JudgeRun) -> list[Case]:
    """Cases of comparisons drawn at random; of all where they are few. The keys are read one by one (algorithm R)."""
    draw, kept = random.Random(SEED), []
    for place, pk in enumerate(left.values_list("pk", flat=True).iterator()):
        if place < SAMPLE:
            kept.append(pk)
        elif (instead := draw.randrange(place + 1)) < SAMPLE:
            kept[instead] = pk
    chosen = left.filter(pk__in=kept) if total > SAMPLE else left
    return [case for cases in cases_of(chosen, run, Questions.of(run.judge)) for case in cases]


def _count(requests: Sequence[Request], provider: Provider) -> tuple[dict[str, int], bool]:
    """Tokens of each prompt by the request's hash, and whether the provider counted them."""
    try:
        return async_to_sync(_counted)(requests, provider)
    except (Failure, TimeoutError):
        guessed = {request.sha256(): round(prompt_bytes(request) / BYTES_A_TOKEN) for request in requests}
        return guessed, False


async def _counted(requests: Sequence[Request], provider: Provider) -> tuple[dict[str, int], bool]:
    async with asyncio.timeout(COUNTING_SECONDS), provider:
        counts = await asyncio.gather(*(provider.count_tokens(request) for request in requests))
    tokens = {request.sha256(): count.tokens for request, count in zip(requests, counts, strict=True)}
    return tokens, all(count.exact for count in counts)


@dataclass(frozen=True)
class _Scaled:
    """A sample of cases with counted prompts, and what is made of it for ``total`` comparisons."""

    judge: Judge
    provider: Provider
    prices: Prices
    mode: str
    total: int
    cases: Sequence[Case]
    tokens: dict[str, int]
    exact: bool

    def estimate(self) -> Estimate:
        lengths, bound = self._reply_lengths()
        calls = self._scale([len(case.missing) for case in self.cases])
        limits = limits_of(self.judge, self.provider)
        return Estimate(
            comparisons=self.total,
            calls=round(calls.value),
            stored=round(self._scale([len(case.replies) for case in self.cases]).value),
            sampled=len(self.cases),
            exact=self.exact,
            bound=bound,
            input_tokens=self._scale([self._input(case) for case in self.cases]),
            output_tokens=Range(*(calls.value * length for length in lengths)),
            cost=self._cost(lengths),
            unknown="" if self._is_priced else unknown_price(self.judge).partition(",")[0] + ".",
            priced_since=str(self.prices.price.since) if self.prices.price else "",
            seconds=calls.value * 60 / limits["requests"] if limits.get("requests") else None,
        )

    @property
    def _is_priced(self) -> bool:
        price = self.prices.price
        return self.prices.free or (
            price is not None and (self.mode != RunMode.BATCH or price.batch is not None)
        )

    def _input(self, case: Case) -> int:
        return sum(self.tokens[call.sha256] for call in case.missing)

    def _reply_lengths(self) -> tuple[Range, bool]:
        """Tokens of a reply, from the newest of the judge's, whatever its version; else the most there can be."""
        if self.prices.free:
            return Range(0, 0, 0), False
        earlier = JudgeCall.objects.filter(
            judge__project=self.judge.project_id,
            judge__name=self.judge.name,
            judge__model=self.judge.model,
            output_tokens__isnull=False,
        ).order_by("-pk")
        lengths = [tokens or 0 for tokens in earlier.values_list("output_tokens", flat=True)[:EARLIER]]
        if len(lengths) < 2:
            return Range(self.prices.max_tokens, 0, self.prices.max_tokens), True
        mean, error = statistics.mean(lengths), statistics.stdev(lengths) / len(lengths) ** 0.5
        return Range(mean, max(0, mean - STANDARD_ERRORS * error), mean + STANDARD_ERRORS * error), False

    def _cost(self, lengths: Range) -> Range | None:
        if not self._is_priced:
            return None
        if self.prices.free:
            return Range(0, 0, 0)
        value, low, high = (
            self._scale([self._dollars(case, length, cached) for case in self.cases])
            # Batches are done in any order, at any time: how much of them is cached is not known before.
            for length, cached in (
                (lengths.value, True),
                (lengths.low, True),
                (lengths.high, self.mode == RunMode.LIVE),
            )
        )
        return Range(value.value, low.low, high.high)

    def _dollars(self, case: Case, output: float, cached: bool) -> float:
        return float(
            sum(self._call(call.request, self.tokens[call.sha256], output, cached) for call in case.missing)
        )

    def _call(self, request: Request, prompt: int, output: float, cached: bool) -> Decimal:
        price = self.prices.price
        beginning = round(prompt * len(request.system.encode()) / prompt_bytes(request))
        reused = beginning >= SHORTEST_CACHED and getattr(self.provider, "cache", "") != "off"
        read = beginning if reused and cached and price and "cache_read" in price.prices else 0
        usage = Usage(prompt - read, round(output), cache_read=read)
        cost = price.cost(usage, batch=self.mode == RunMode.BATCH) if price else None
        return cost or Decimal(0)

    def _scale(self, values: Sequence[float]) -> Range:
        """N · mean ± 2 · N · sd / √n · √(1 − n / N): exact where the sample is all there is."""
        if not values:
            return Range(0, 0, 0)
        count, mean = len(values), statistics.mean(values)
        spread = statistics.stdev(values) if count > 1 else 0.0
        error = STANDARD_ERRORS * self.total * spread / count**0.5 * max(0.0, 1 - count / self.total) ** 0.5
        whole = self.total * mean
        return Range(whole, max(0.0, whole - error), whole + error)
