"""Ours on the benchmark's data, in a process of its own so that its memory can be told: prints JSON as the peers do.

Times are the best of several: what the code takes where the machine lets it.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alignment.statistics.agreement import cohen_kappa
from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.alt_test import alt_test
from alignment.statistics.dawid_skene import fit_dawid_skene
from alignment.statistics.many_raters import fleiss_kappa, gwet_ac_of_many
from alignment.statistics.ranking import bradley_terry
from tests.bench.agreement_data import MODELS, PEOPLE, VALUES
from tests.bench.memory import peak_megabytes

TRIES = 7


def timed(task: Callable[[], object], value: Callable[[object], object]) -> dict[str, object]:
    best = np.inf
    for _ in range(TRIES):
        begun = time.perf_counter()
        found = task()
        best = min(best, time.perf_counter() - begun)
    return {"seconds": best, "value": np.asarray(value(found)).tolist()}


def main(folder: Path) -> None:
    labels, scores = np.load(folder / "labels.npz"), np.load(folder / "scores.npz")
    pairs, battles = np.load(folder / "pairs.npz"), np.load(folder / "battles.npz")
    item, rater, label, judge = (labels[name] for name in ("item", "rater", "label", "judge"))
    every = np.arange(len(judge))
    part = slice(0, 10_000)
    small = (item[part], label[part], item[part])
    battle = np.arange(len(battles["first"]))
    sizes = {"n_items": len(judge), "n_raters": PEOPLE, "n_classes": VALUES}
    found = {
        f"alpha {level}": timed(
            lambda level=level: krippendorff_alpha(item, label, item, level=level), _value
        )
        for level in ("nominal", "ordinal", "interval", "ratio")
    }
    found |= {
        "alpha of scores": timed(
            lambda: krippendorff_alpha(scores["item"], scores["score"], scores["item"], level="interval"),
            _value,
        ),
        "AC1 of many": timed(lambda: gwet_ac_of_many(*small), _value),
        "Fleiss": timed(lambda: fleiss_kappa(*small), _value),
        "alpha by irrCAC": timed(lambda: krippendorff_alpha(*small, level="nominal"), _value),
        "kappa": timed(lambda: cohen_kappa(pairs["one"], pairs["two"], np.arange(len(pairs["one"]))), _value),
        "Dawid–Skene": timed(
            lambda: fit_dawid_skene(item, rater, label, **sizes), lambda model: model.posterior.argmax(axis=1)
        ),
        "alt-test": timed(
            lambda: alt_test(item, rater, label, judge, every),
            lambda test: [test.winning_rate, test.advantage_probability.value],
        ),
        "Bradley–Terry": timed(
            lambda: bradley_terry(
                *(battles[name] for name in ("first", "second", "verdict")), battle, n_models=MODELS
            ),
            lambda ranking: [strength.value for strength in ranking.strengths],
        ),
    }
    megabytes = peak_megabytes()
    print(json.dumps({"tasks": found, "megabytes": megabytes}))


def _value(statistic) -> float:
    assert statistic.low < statistic.value < statistic.high
    return statistic.value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
