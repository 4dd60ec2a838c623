"""Whether the longer answer is the one chosen: what a reward model learns first, where it is so."""

from array import array

import numpy as np

from alignment.health.finding import NOTE, OK, WARNING, Finding, Pair
from alignment.statistics.bias import length_bias
from alignment.statistics.verdicts import FIRST

TOLD = 0.6  # of the pairs, by length alone
LOPSIDED = 4.0  # times as long


class Lengths:
    """Characters of the chosen answer against the rejected one's, clustered by prompt."""

    def __init__(self) -> None:
        self._chosen, self._rejected, self._prompts = array("q"), array("q"), array("q")
        self._numbers: dict[str, int] = {}
        self._found = Finding("length_bias")

    def add(self, pair: Pair) -> None:
        chosen, rejected = len(pair.chosen) or 1, len(pair.rejected) or 1
        self._chosen.append(chosen)
        self._rejected.append(rejected)
        self._prompts.append(self._numbers.setdefault(pair.prompt, len(self._numbers)))
        if chosen > LOPSIDED * rejected:
            self._found.add(pair.comparison, "chosen_much_longer")

    def finding(self) -> Finding:
        chosen, rejected = np.asarray(self._chosen), np.asarray(self._rejected)
        bias = length_bias(
            np.full(len(chosen), FIRST), chosen, rejected, np.asarray(self._prompts), classes=1
        )
        longer = bias.longer
        low, high = longer.low, longer.high
        tells = low is not None and low > TOLD
        leans = low is not None and high is not None and not low <= 0.5 <= high
        self._found.level = WARNING if tells else NOTE if leans else OK
        self._found.numbers = {
            "longer": longer.as_json(),
            "chosen_median": float(np.median(chosen)) if len(chosen) else None,
            "rejected_median": float(np.median(rejected)) if len(rejected) else None,
            "much_longer": self._found.count,
        }
        return self._found
