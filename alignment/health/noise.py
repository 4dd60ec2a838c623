"""How many labels are wrong: by the policy's own probabilities, and by what people say of the labels."""

from array import array

import numpy as np

from alignment.health.finding import NOTE, OK, WARNING, Finding, Pair
from alignment.statistics.intervals import cluster_share, wilson
from alignment.statistics.results import Statistic

MUCH = (
    0.2  # of the labels: DPO with its plain loss then learns the noise; label smoothing or the weights help
)
SOME = 0.1
DOUBTFUL = 0.7  # the probability that a label is right


class Noise:
    """``people``: (verdicts on the labelled comparisons, those that say otherwise than the label)."""

    def __init__(self, people: tuple[int, int]) -> None:
        self._people = people
        self._error, self._prompts = array("d"), array("q")
        self._numbers: dict[str, int] = {}
        self._found = Finding("label_noise")
        self._unknown = 0
        self._doubtful: list[tuple[float, int]] = []
        self._last = 0

    def add(self, pair: Pair) -> None:
        if pair.comparison == self._last:
            return
        self._last = pair.comparison
        if pair.confidence is None:
            self._unknown += 1
            return
        self._error.append(1 - pair.confidence)
        self._prompts.append(self._numbers.setdefault(pair.prompt, len(self._numbers)))
        if pair.confidence < DOUBTFUL:
            self._doubtful.append((pair.confidence, pair.comparison))

    def finding(self) -> Finding:
        expected = cluster_share(np.asarray(self._error), np.asarray(self._prompts), excluded=self._unknown)
        verdicts, otherwise = self._people
        said = wilson(otherwise, verdicts) if verdicts else Statistic.undefined("no data", 0)
        worst = max((each.value for each in (expected, said) if each.value is not None), default=0.0)
        for confidence, comparison in sorted(self._doubtful):
            self._found.add(comparison, f"{confidence:.2f}")
        self._found.level = WARNING if worst > MUCH else NOTE if worst > SOME else OK
        self._found.numbers = {
            "expected_error": expected.as_json(),
            "people_otherwise": said.as_json(),
            "doubtful": len(self._doubtful),
            "unknown": self._unknown,
        }
        return self._found
