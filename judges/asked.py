"""What a judge was asked about comparisons, what came back, and what people say of the same ones.

Nothing is asked here: requests are rendered anew and their replies looked up by hash.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count

from feedback.errors import Refused
from feedback.models import Comparison, Judgment, Outcome, RaterKind
from judges.actions.calls import Call, stored_rows
from judges.actions.cases import Case
from judges.actions.estimates import BYTES_A_TOKEN
from judges.actions.keys import provider_of
from judges.actions.pricing import Prices, prompt_bytes
from judges.actions.questions import Questions
from judges.actions.trying import complete
from judges.core.combining import combine
from judges.core.shares import Clusters, share_statistic
from judges.core.verdict import REFUSAL_STOPS, CallVerdict, read_verdict
from judges.models import Judge, JudgeCall
from judges.prompts import Shown, shown


@dataclass(frozen=True)
class Asked:
    """One call as it was last asked: the request, its row where it was ever sent, what its reply says.

    ``sample`` counts from 1; ``again`` how often the question was asked again because a reply could not be read.
    """

    prompt: Shown
    row: JudgeCall | None
    said: CallVerdict | None
    sample: int = 1
    again: int = 0

    @property
    def answered(self) -> bool:
        return self.said is not None

    @property
    def places(self) -> list[int]:
        """The responses it is about, in canonical order, as people count them."""
        return [position + 1 for position in sorted(self.prompt.request.shown)]

    @property
    def levels(self) -> dict[str, list[int | None]]:
        """The levels given on each criterion, one for each of ``places``."""
        scores = self.said.scores if self.said else {}
        names = dict.fromkeys(name for name, _position in scores)
        return {name: [scores.get((name, place - 1)) for place in self.places] for name in names}


@dataclass(frozen=True)
class Answer:
    """One judge on one comparison; ``verdict`` is None until every call has its reply."""

    judge: Judge
    comparison: Comparison
    asked: Sequence[Asked]
    verdict: CallVerdict | None

    @property
    def missing(self) -> int:
        """How many calls have no reply yet."""
        return sum(not each.answered for each in self.asked)

    @property
    def cost(self) -> Decimal | None:
        """Dollars of the replies that are there; None where the price of one is unknown."""
        costs = [each.row.cost for each in self.asked if each.row is not None and each.answered]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


def answers_of(judge: Judge, comparisons: Iterable[Comparison]) -> list[Answer]:
    """The judge on each comparison, which should come with prompt, slots and responses."""
    questions = Questions.of(judge)
    cases = [Case(questions, comparison, questions.calls(comparison)) for comparison in comparisons]

    def stored(calls: Sequence[Call]) -> Mapping[str, JudgeCall]:
        return stored_rows(judge, [call.sha256 for call in calls], answered=False)

    rows = complete(cases, stored)
    return [_answer(judge, case, rows) for case in cases]


def _answer(judge: Judge, case: Case, rows: Mapping[str, JudgeCall]) -> Answer:
    asked = [_asked(judge, case, call, rows.get(call.sha256)) for call in case.calls]
    said = [each.said for each in asked if each.said is not None]
    verdict = combine(case.questions.text, said) if said and len(said) == len(asked) else None
    return Answer(judge, case.comparison, asked, verdict)


def _asked(judge: Judge, case: Case, call: Call, row: JudgeCall | None) -> Asked:
    reply = case.replies.get(call.sha256)
    said = None if reply is None else read_verdict(call.request, *reply)
    again, sample = divmod(call.request.sample, judge.samples)
    return Asked(shown(call.request), row, said, sample + 1, again)


def refusals_of(judge: Judge) -> list[tuple[str, int]]:
    """The judge's refused calls by the category that the provider gave, as it gave it, the most frequent first."""
    refused = JudgeCall.objects.filter(judge=judge, stop_reason__in=REFUSAL_STOPS).values_list("refusal")
    return list(refused.annotate(n=Count("pk")).order_by("-n", "refusal"))


class Expected(NamedTuple):
    """What asking for the replies that are missing takes; ``problem`` says why they can not be asked for.

    ``tokens`` of prompts are estimated from their length. Dollars at the very most in ``worst``, None where unknown.
    """

    judge: Judge
    calls: int
    tokens: int
    worst: Decimal | None
    problem: str = ""


def expected_of(judge: Judge, answers: Iterable[Answer]) -> Expected:
    requests = [each.prompt.request for answer in answers for each in answer.asked if not each.answered]
    tokens = round(sum(prompt_bytes(request) for request in requests) / BYTES_A_TOKEN)
    try:
        prices = Prices.of(judge, provider_of(judge))
    except Refused as refusal:
        return Expected(judge, len(requests), tokens, None, refusal.sentence)
    costs = [prices.worst(request) for request in requests]
    known = [cost for cost in costs if cost is not None]
    worst = sum(known, Decimal(0)) if len(known) == len(costs) else None
    return Expected(judge, len(requests), tokens, worst)


@dataclass(frozen=True)
class PeopleSay:
    """People's verdicts on one comparison; ``ranking``: a reviewer's decision, else what most of them say, or ()."""

    ranking: tuple[int, ...]
    decided: bool
    votes: Mapping[tuple[int, ...], int]


def people_say(comparisons: Iterable[Comparison]) -> dict[int, PeopleSay]:
    """What people say of each comparison that any of them judged, by its primary key."""
    rows = Judgment.objects.filter(
        comparison__in=[comparison.pk for comparison in comparisons],
        rater__kind=RaterKind.HUMAN,
        current=True,
        outcome=Outcome.RANKED,
    )
    votes: defaultdict[int, Counter[tuple[int, ...]]] = defaultdict(Counter)
    decisions: dict[int, tuple[int, ...]] = {}
    for comparison, ranking, adjudicates in rows.values_list("comparison", "ranking", "adjudicates"):
        if adjudicates:
            decisions[comparison] = ranking
        else:
            votes[comparison][ranking] += 1
    return {
        # A plain dict, since a template that asks a Counter for its items gets the count of "items".
        pk: PeopleSay(decisions.get(pk) or _most(votes[pk]), pk in decisions, dict(votes[pk]))
        for pk in {*votes, *decisions}
    }


def _most(votes: Counter[tuple[int, ...]]) -> tuple[int, ...]:
    """What more people say than anything else; nothing where two rankings have as many."""
    (first, count), *others = votes.most_common(2) or [((), 0)]
    return () if others and others[0][1] == count else first


def agreement(answers: Iterable[Answer], people: Mapping[int, PeopleSay]) -> Mapping[str, object]:
    """The share of comparisons with a verdict of both on which the judge says what people say; prompts are clusters."""
    clusters: dict[int, list[bool]] = {}
    for answer in answers:
        said = people.get(answer.comparison.pk)
        if answer.verdict and answer.verdict.ranking and said and said.ranking:
            clusters.setdefault(answer.comparison.prompt_id, []).append(
                answer.verdict.ranking == said.ranking
            )
    sizes = [(sum(hits), len(hits)) for hits in clusters.values()]
    if not sizes:
        return {"value": None, "reason": "nothing that both the judge and people gave a verdict on"}
    return share_statistic(
        Clusters(
            clusters=len(sizes),
            hits_sum=sum(hits for hits, _ in sizes),
            n_sum=sum(n for _, n in sizes),
            hits_hits=sum(hits * hits for hits, _ in sizes),
            hits_n=sum(hits * n for hits, n in sizes),
            n_n=sum(n * n for _, n in sizes),
        )
    )
