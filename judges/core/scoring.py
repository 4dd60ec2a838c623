"""From levels to a ranking: weighted means, and a margin within which responses are equal."""

from collections.abc import Mapping, Sequence

from judges.core.rubric import CriterionText

DECIMALS = 9  # 0.1 + 0.2 must tie with 0.3


def weighted_means(
    scores: Mapping[tuple[str, int], float], criteria: Sequence[CriterionText]
) -> dict[int, float]:
    """Σ weight · level / Σ weight of each position, in the units of the levels. At least one weight is above 0."""
    total = sum(criterion.weight for criterion in criteria)
    positions = sorted({position for _, position in scores})
    return {
        position: sum(criterion.weight * scores[criterion.name, position] for criterion in criteria) / total
        for position in positions
    }


def mean_scores(given: Sequence[Mapping[tuple[str, int], float]]) -> dict[tuple[str, int], float]:
    """The mean level of each criterion and position over several answers, all about the same ones."""
    return {key: sum(scores[key] for scores in given) / len(given) for key in given[0]}


def ranking_within(means: Mapping[int, float], margin: float) -> tuple[int, ...]:
    """Ranks by position, the highest mean first; whoever is within ``margin`` of the best of a rank shares it.

    So A .0, B .4 below and C .8 below with a margin of .5 rank 1, 1, 2: a rank never spans more than the margin.
    """
    ranks: dict[int, int] = {}
    rank, top = 0, 0.0
    for position in sorted(means, key=lambda position: (-means[position], position)):
        if not rank or exceeds(top - means[position], margin):
            rank, top = rank + 1, means[position]
        ranks[position] = rank
    return tuple(ranks[position] for position in sorted(ranks))


def contradict(one: Mapping[int, float], other: Mapping[int, float], margin: float) -> bool:
    """Does one of them put a response above another by more than the margin, and the other that one above this?"""
    return any(
        exceeds(one[a] - one[b], margin) and exceeds(other[b] - other[a], margin) for a in one for b in one
    )


def exceeds(difference: float, margin: float) -> bool:
    return round(difference, DECIMALS) > margin
