"""Which response a person sees where: shuffled, and balanced for each person however many responses there are.

A person's comparisons of n responses are numbered in turn. Each block of 2n turns has one shuffled order of the
positions, and shows each of its n rotations twice, in a shuffled sequence. So over a block every canonical position
stands in every place equally often, and nobody can tell from the last sides what the next ones are.
"""

from random import Random

from django.db.models import F

from feedback.models import Rater, ShownTurn


def shown_in_turn(rater_id: int, responses: int, turn: int) -> tuple[int, ...]:
    """The canonical positions in the order shown, in this person's turn (from 0) with so many responses."""
    block, place = divmod(turn, 2 * responses)
    chance = Random(f"{rater_id}:{responses}:{block}")
    order = chance.sample(range(responses), responses)
    start = chance.sample([*range(responses)] * 2, 2 * responses)[place]
    return (*order[start:], *order[:start])


def next_shown(rater: Rater, responses: int) -> tuple[int, ...]:
    """The order of the person's next turn, which is counted as used."""
    counted, _ = ShownTurn.objects.get_or_create(rater=rater, responses=responses, defaults={"turns": 0})
    ShownTurn.objects.filter(pk=counted.pk).update(turns=F("turns") + 1)
    return shown_in_turn(rater.pk, responses, counted.turns)
