"""What others compute on the benchmark's data: ``python agreement_peers.py NAME FOLDER``, in NAME's own environment.

Imports nothing of ours. Prints {"seconds", "value", "megabytes", "note"} for each task as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # its environment has nothing of ours
from memory import peak_megabytes

Found = dict[str, dict[str, object]]


def timed(task: Callable[[], object], times: float = 1.0, note: str = "") -> dict[str, object]:
    """The task's seconds, ``times`` as many where only a part was run, and its value."""
    begun = time.perf_counter()
    value = task()
    seconds = (time.perf_counter() - begun) * times
    megabytes = peak_megabytes()
    return {"seconds": seconds, "value": np.asarray(value).tolist(), "megabytes": megabytes, "note": note}


def matrix(item, rater, value) -> np.ndarray:
    """Raters × items, NaN where one did not rate."""
    table = np.full((int(rater.max()) + 1, int(item.max()) + 1), np.nan)
    table[rater, item] = value
    return table


def krippendorff(folder: Path) -> Found:
    import krippendorff as library

    labels, scores = np.load(folder / "labels.npz"), np.load(folder / "scores.npz")
    table = matrix(labels["item"], labels["rater"], labels["label"])
    few = matrix(scores["item"], scores["rater"], scores["score"])
    found = {
        f"alpha {level}": timed(
            lambda level=level: library.alpha(table, level_of_measurement=level), note="no interval"
        )
        for level in ("nominal", "ordinal")
    }
    scored = f"{len(scores['item']):,} scores, no interval"
    found["alpha of scores"] = timed(lambda: library.alpha(few, level_of_measurement="interval"), note=scored)
    return found


def irrcac(folder: Path) -> Found:
    import pandas
    from irrCAC.raw import CAC

    labels = np.load(folder / "labels.npz")
    rows = min(len(labels["item"]), 10_000)
    table = matrix(labels["item"][:rows], labels["rater"][:rows], labels["label"][:rows])
    frame = pandas.DataFrame(table.T)
    note = f"{rows:,} labels, interval by a formula, rounded to 5 digits"

    def coefficient(name: str) -> Callable[[], float]:
        return lambda: getattr(CAC(frame), name)()["est"]["coefficient_value"]

    names = {"AC1 of many": "gwet", "Fleiss": "fleiss", "alpha by irrCAC": "krippendorff"}
    return {task: timed(coefficient(name), note=note) for task, name in names.items()}


def sklearn(folder: Path) -> Found:
    from sklearn.metrics import cohen_kappa_score

    pairs = np.load(folder / "pairs.npz")
    one, two = pairs["one"], pairs["two"]
    rng = np.random.default_rng(0)
    drawn = 50

    def bootstrap() -> float:
        for _ in range(drawn):
            rows = rng.integers(0, len(one), len(one))
            cohen_kappa_score(one[rows], two[rows])
        return cohen_kappa_score(one, two)

    note = f"bootstrap in a loop, {drawn} of 1,000 replicates, times {1000 // drawn}"
    return {"kappa": timed(bootstrap, 1000 / drawn, note)}


def crowdkit(folder: Path) -> Found:
    import pandas
    from crowdkit.aggregation import DawidSkene

    labels = np.load(folder / "labels.npz")
    frame = pandas.DataFrame({"task": labels["item"], "worker": labels["rater"], "label": labels["label"]})
    model = DawidSkene(n_iter=100)
    return {"Dawid–Skene": timed(lambda: model.fit_predict(frame).sort_index().to_numpy(), note="n_iter=100")}


def evalica(folder: Path) -> Found:
    import evalica as library

    battles = np.load(folder / "battles.npz")
    winner = [library.Winner.X, library.Winner.Y, library.Winner.Draw]
    first, second = battles["first"].tolist(), battles["second"].tolist()
    winners = [winner[verdict] for verdict in battles["verdict"].tolist()]

    def fit() -> np.ndarray:
        scores = library.bradley_terry(
            first, second, winners, win_weight=1.0, tie_weight=0.5, tolerance=1e-12, limit=10_000
        ).scores
        strengths = np.log(scores.sort_index().to_numpy())
        return strengths - strengths.mean()

    return {"Bradley–Terry": timed(fit, note="points only, no interval")}


def fastchat(folder: Path) -> Found:
    """FastChat's method of ranking, written anew: maximum likelihood by scikit-learn's logistic regression, each battle
    counted twice and a tie as a win for each, and for intervals the whole again on 100 resamples of the battles."""
    from sklearn.linear_model import LogisticRegression

    battles = np.load(folder / "battles.npz")
    first, second, verdict = (battles[name] for name in ("first", "second", "verdict"))
    models = int(max(first.max(), second.max())) + 1
    rng = np.random.default_rng(0)
    drawn = 5

    def fit(rows: np.ndarray) -> np.ndarray:
        design = np.zeros((2 * len(rows), models))
        both = np.arange(2 * len(rows))
        design[both, np.tile(first[rows], 2)] = 1
        design[both, np.tile(second[rows], 2)] = -1
        won = np.concatenate([verdict[rows] != 1, verdict[rows] == 0])
        return LogisticRegression(fit_intercept=False, C=1e6, tol=1e-8).fit(design, won).coef_[0]

    def bootstrap() -> np.ndarray:
        for _ in range(drawn):
            fit(rng.integers(0, len(first), len(first)))
        strengths = fit(np.arange(len(first)))
        return strengths - strengths.mean()

    note = f"logistic regression on resampled battles, {drawn} of 100 rounds, times {100 // drawn}"
    return {"Bradley–Terry by FastChat's method": timed(bootstrap, 100 / drawn, note)}


def alttest(folder: Path) -> Found:
    """The test as the paper defines it, rating by rating, as its authors' notebook goes about it."""
    from scipy.stats import ttest_1samp

    labels = np.load(folder / "labels.npz")
    people: dict[int, dict[int, int]] = {}
    raters_of: dict[int, list[int]] = {}
    for item, rater, label in zip(
        labels["item"].tolist(), labels["rater"].tolist(), labels["label"].tolist(), strict=True
    ):
        people.setdefault(rater, {})[item] = label
        raters_of.setdefault(item, []).append(rater)
    judge = dict(enumerate(labels["judge"].tolist()))

    def score(own: int, others: list[int]) -> float:
        return float(np.mean([own == other for other in others]))

    def test() -> list[float]:
        p, advantages = [], []
        for name, given in people.items():
            wins, losses = [], []
            for item, own in given.items():
                others = [people[other][item] for other in raters_of[item] if other != name]
                by_judge, by_person = score(judge[item], others), score(own, others)
                wins.append(int(by_judge >= by_person))
                losses.append(int(by_person >= by_judge))
            p.append(ttest_1samp(np.subtract(losses, wins), 0.2, alternative="less").pvalue)
            advantages.append(np.mean(wins))
        steps = np.arange(1, len(p) + 1)
        below = np.sort(p) <= steps / len(p) * 0.05 / (1 / steps).sum()
        return [float(steps[below].max(initial=0)) / len(p), float(np.mean(advantages))]

    return {"alt-test": timed(test, note="the reference's loop, without intervals")}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))))
