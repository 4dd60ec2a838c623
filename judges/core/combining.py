"""The verdicts of all calls about a comparison become one: samples by majority, orders by agreement.

A verdict that is missing in any part stays missing: refused before unparseable before inconsistent. Calls that
disagree are inconsistent, never a tie.

- pairwise and best of n: in each order what more than half of the samples say; all orders must say the same.
- pairwise on more than two responses: every pair so, and one ranking with ties must agree with all pairs.
- scores: in each order the mean level over the samples, which more than half must have given; then the mean over
  the orders, ranked with the margin. Inconsistent where two orders contradict each other by more than the margin on
  a pair of responses.
- pass or fail: each response by more than half of its samples; who passes ranks above who fails, and where all do the
  same it is a tie.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from judges.core.rendering import PASS_FAIL, SCORES, JudgeText
from judges.core.scoring import contradict, mean_scores, ranking_within, weighted_means
from judges.core.verdict import INCONSISTENT, RANKED, REFUSED, UNPARSEABLE, CallVerdict

MISSING = (REFUSED, UNPARSEABLE, INCONSISTENT)


def combine(judge: JudgeText, calls: Sequence[CallVerdict]) -> CallVerdict:
    """One verdict from all calls about a comparison, at least one; its ranking is by canonical position.

    Rationale and scores are those of the first call that gave the verdict (of each pair or response), in the mode
    "scores" the mean levels, rounded; a missing verdict keeps every rationale.
    """
    if judge.mode == SCORES:
        said = _by_scores(judge, calls)
    else:
        parts = [_agreed(group) for group in _grouped(calls, lambda call: tuple(sorted(call.shown)))]
        said = _of_parts(judge, parts)
    shown = calls[0].shown if len({call.shown for call in calls}) == 1 and len(calls[0].shown) > 1 else ()
    rationale = said.rationale if said.outcome == RANKED else _rationales(calls)
    return CallVerdict(said.outcome, shown, said.ranking, rationale, said.scores, said.all_bad)


def _agreed(calls: Sequence[CallVerdict]) -> CallVerdict:
    """What all orders of the same responses say."""
    answers = [_majority(samples) for samples in _grouped(calls, lambda call: call.shown)]
    missing = _missing(answers)
    if missing is None and len({answer.ranking for answer in answers}) > 1:
        missing = INCONSISTENT
    return answers[0] if missing is None else CallVerdict(missing, ())


def _majority(samples: Sequence[CallVerdict]) -> CallVerdict:
    """The first of more than half the samples that say the same; inconsistent where no such half is."""
    counts = Counter((sample.outcome, sample.ranking) for sample in samples)
    said, count = counts.most_common(1)[0]
    if 2 * count <= len(samples):
        return CallVerdict(INCONSISTENT, samples[0].shown)
    return next(sample for sample in samples if (sample.outcome, sample.ranking) == said)


def _of_parts(judge: JudgeText, parts: Sequence[CallVerdict]) -> CallVerdict:
    """One verdict of those on all responses, on every pair of them, or on each alone."""
    missing = _missing(parts)
    if missing is not None:
        return CallVerdict(missing, ())
    if judge.mode == PASS_FAIL:
        return _passed(parts)
    ranking = parts[0].ranking if len(parts) == 1 else _weak_order(parts)
    if not ranking:
        return CallVerdict(INCONSISTENT, ())
    return CallVerdict(RANKED, (), ranking, _joined(parts), _first_scores(parts))


def _passed(parts: Sequence[CallVerdict]) -> CallVerdict:
    ranks = [part.ranking[0] for part in sorted(parts, key=lambda part: part.shown)]
    best = min(ranks)
    return CallVerdict(
        RANKED,
        (),
        tuple(1 if rank == best else 2 for rank in ranks),
        _joined(parts),
        _first_scores(parts),
        all_bad=best > 1,
    )


def _weak_order(pairs: Sequence[CallVerdict]) -> tuple[int, ...]:
    """The one ranking with ties that agrees with every pair; () where none does.

    In such a ranking whoever beats more of the others stands higher, and equals beat equally many.
    """
    ranks = {tuple(sorted(pair.shown)): pair.ranking for pair in pairs}
    positions = sorted({position for pair in ranks for position in pair})
    beaten = Counter(
        pair[0] if rank < other else pair[1] for pair, (rank, other) in ranks.items() if rank != other
    )
    ranking = ranking_within({position: beaten[position] for position in positions}, 0.0)
    agrees = all(
        _sign(ranking[one] - ranking[other]) == _sign(ranks[one, other][0] - ranks[one, other][1])
        for one, other in combinations(positions, 2)
    )
    return ranking if agrees else ()


def _by_scores(judge: JudgeText, calls: Sequence[CallVerdict]) -> CallVerdict:
    answers = [_mean_of(samples) for samples in _grouped(calls, lambda call: call.shown)]
    missing = [answer for answer in answers if isinstance(answer, str)]
    if missing:
        return CallVerdict(min(missing, key=MISSING.index), ())
    given = [answer for answer in answers if not isinstance(answer, str)]
    means = [weighted_means(scores, judge.criteria) for scores in given]
    if any(contradict(one, other, judge.tie_margin) for one, other in combinations(means, 2)):
        return CallVerdict(INCONSISTENT, ())
    scores = mean_scores(given)
    return CallVerdict(
        RANKED,
        (),
        ranking_within(weighted_means(scores, judge.criteria), judge.tie_margin),
        next(call.rationale for call in calls if call.outcome == RANKED),
        {key: round(level) for key, level in scores.items()},
    )


def _mean_of(samples: Sequence[CallVerdict]) -> Mapping[tuple[str, int], float] | str:
    """The mean levels of the samples that gave some; where not more than half did, the outcome of the others."""
    given = [sample.scores for sample in samples if sample.outcome == RANKED]
    if 2 * len(given) > len(samples):
        return mean_scores(given)
    return _missing(samples) or INCONSISTENT


def _missing(answers: Sequence[CallVerdict]) -> str | None:
    outcomes = {answer.outcome for answer in answers}
    return next((outcome for outcome in MISSING if outcome in outcomes), None)


def _first_scores(parts: Sequence[CallVerdict]) -> dict[tuple[str, int], int]:
    scores: dict[tuple[str, int], int] = {}
    for part in parts:
        scores = {**part.scores, **scores}
    return scores


def _joined(parts: Sequence[CallVerdict]) -> str:
    return "\n".join(part.rationale for part in parts if part.rationale)


def _rationales(calls: Sequence[CallVerdict]) -> str:
    """Every rationale with what the call showed, by canonical places from 1."""
    said = [
        f"Shown in the order {', '.join(str(position + 1) for position in call.shown)}: {call.rationale}"
        for call in calls
        if call.rationale
    ]
    return "\n".join(said)


def _grouped(
    calls: Sequence[CallVerdict], key: Callable[[CallVerdict], tuple[int, ...]]
) -> list[list[CallVerdict]]:
    groups: dict[tuple[int, ...], list[CallVerdict]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return list(groups.values())


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
