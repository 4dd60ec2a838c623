"""How much there is: enough rows for each method, enough to test on, and classes of like size."""

import math
from collections import Counter

from alignment.formats.dataset_folder import SPLITS
from alignment.health.finding import NOTE, OK, WARNING, Finding, Pair

TRAIN, TEST = SPLITS
# Rows below which a method rarely learns more than it forgets: rules of thumb, by what one row of each is.
FEWEST = {"sft": 100, "dpo": 500, "kto": 500, "reward": 1000, "grpo": 100}
FEWEST_TO_TEST = 50
UNEQUAL = 10.0  # times as many rows in the largest class as in the smallest
DOMINANT = 0.8  # of the chosen answers by one source


class Amounts:
    """Rows of each kind that the methods take: pairs, answers, best answers, prompts."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._answers: dict[str, set[int]] = {"best": set(), "all": set()}
        self._prompts: set[str] = set()

    def add(self, pair: Pair) -> None:
        self._rows[pair.split] += 1
        if pair.split == TRAIN:
            self._prompts.add(pair.prompt)
            chosen, rejected = hash((pair.comparison, pair.chosen)), hash((pair.comparison, pair.rejected))
            self._answers["best"].add(chosen)
            self._answers["all"] |= {chosen, rejected}

    def finding(self) -> Finding:
        train, test = self._rows[TRAIN], self._rows[TEST]
        given = {
            "sft": len(self._answers["best"]),
            "dpo": train,
            "kto": len(self._answers["all"]),
            "reward": train,
            "grpo": len(self._prompts),
        }
        methods = [
            {"method": method, "rows": given[method], "fewest": fewest, "enough": given[method] >= fewest}
            for method, fewest in FEWEST.items()
        ]
        total = train + test
        share = min(0.5, math.ceil(100 * FEWEST_TO_TEST / total) / 100) if total else None
        numbers = {
            "train_rows": train,
            "test_rows": test,
            "fewest_to_test": FEWEST_TO_TEST,
            # Of an accuracy near .75, as reward models reach: 1.96 standard errors.
            "half_width": 1.96 * math.sqrt(0.75 * 0.25 / test) if test else None,
            "wanted_share": share if test < FEWEST_TO_TEST else None,
            "methods": methods,
        }
        few = test < FEWEST_TO_TEST or not all(each["enough"] for each in methods)
        return Finding("too_few", WARNING if few else OK, numbers)


class Balance:
    """The rows of each tag in training, and who wrote the chosen answers."""

    def __init__(self) -> None:
        self._tags: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._rare: dict[str, list[int]] = {}

    def add(self, pair: Pair) -> None:
        if pair.split == TRAIN:
            self._tags.update(pair.tags)
            self._sources[pair.chosen_source] += 1
            for tag in pair.tags:
                if self._tags[tag] <= 20:
                    self._rare.setdefault(tag, []).append(pair.comparison)

    def finding(self) -> Finding:
        ordered = self._tags.most_common()
        times = ordered[0][1] / ordered[-1][1] if ordered else 1.0
        total = sum(self._sources.values())
        source, most = self._sources.most_common(1)[0] if total else ("", 0)
        dominant = len(self._sources) > 1 and most / total > DOMINANT
        finding = Finding(
            "imbalance",
            WARNING if times > UNEQUAL else NOTE if dominant else OK,
            {
                "times": times,
                "unequal": UNEQUAL,
                "classes": [
                    {"name": name, "rows": count} for name, count in [*ordered[:10], *ordered[10:][-10:]]
                ],
                "class_count": len(ordered),
                "top_source": source if dominant else None,
                "top_source_share": most / total if total else None,
            },
        )
        for tag, count in ordered:
            if ordered[0][1] > UNEQUAL * count:
                for comparison in self._rare[tag]:
                    finding.add(comparison, tag)
                finding.count += count - len(self._rare[tag])  # all count, the first are named
        return finding
