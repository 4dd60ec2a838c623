"""How far the rankings that people gave one comparison say the same. PURE."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

Ranking = tuple[int, ...]


def agreement_in_thousandths(rankings: Sequence[Ranking]) -> int:
    """The share of (pair of people, pair of responses) on which both people say the same, in whole thousandths.

    Two people say the same of two responses where both prefer the same one, or both hold them equal. Rounded down, so
    that 1000 means complete agreement; 1000 also where there are fewer than two rankings. All are of one length.
    """
    pairs_of_people = len(rankings) * (len(rankings) - 1) // 2
    if not pairs_of_people:
        return 1000
    pairs_of_responses = list(combinations(range(len(rankings[0])), 2))
    same = sum(
        said * (said - 1) // 2
        for first, second in pairs_of_responses
        for said in Counter(_sign(ranking[first] - ranking[second]) for ranking in rankings).values()
    )
    return 1000 * same // (pairs_of_people * len(pairs_of_responses))


def _sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)
