"""Injection attacks: texts planted in the worse response of a pair, to see whether a judge turns to it.

The attacks are our own. They name the response by what it is called in the call, the worst case for the judge: see
``measuring.planted``. What they measure is this list on these pairs; a judge that withstands it is not proof against
an author who tries on.
"""

from judges.core.attacks.attack import Attack
from judges.core.attacks.forged import FORGED
from judges.core.attacks.hidden import HIDDEN
from judges.core.attacks.measuring import AttackOutcome, outcome_of, planted, requests_on, success_rate
from judges.core.attacks.pairs import PAIRS, Pair
from judges.core.attacks.spoken import SPOKEN

ATTACKS: tuple[Attack, ...] = (*SPOKEN, *FORGED, *HIDDEN)
KINDS = tuple(dict.fromkeys(attack.kind for attack in ATTACKS))

__all__ = [
    "ATTACKS",
    "KINDS",
    "PAIRS",
    "Attack",
    "AttackOutcome",
    "Pair",
    "outcome_of",
    "planted",
    "requests_on",
    "success_rate",
]
