"""What responses are called in a request: codes that say nothing about order or worth.

Each code stands for a place in one call, by a permutation drawn from the texts: the first response shown is called
this as often as that, so a verdict that names a code does not say which response came first, and a text can not know
its own. In the other order of the same texts the codes stay at their places and so go to other responses: a judge
that favours a code or a place contradicts itself. The codes are the same few for every comparison of a size, since
providers prepare a schema once. See docs/decisions/0008.
"""

import random

# No two begin alike, so that the first token of a reply's value tells them apart; none is a word or abbreviation.
CODES = (
    "XK", "QD", "ZM", "VR", "JT", "KW", "WB", "HZ", "RQ", "NX", "FJ", "DV", "TK",
    "GW", "LZ", "BQ", "MJ", "PW", "SX", "CV", "YN", "IJ", "UX", "EZ", "OJ", "AK",
)  # fmt: skip


def ids_for(count: int, seed: str) -> tuple[str, ...]:
    """The codes of ``count`` responses by the place at which they are shown; at most as many as there are codes."""
    return tuple(random.Random(seed).sample(CODES[:count], count))
