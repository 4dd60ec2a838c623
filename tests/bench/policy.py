"""What policies are worth on real data, beside simpler ways: `python -m tests.bench.policy FOLDER`, the tables of docs.

FOLDER holds pandalm/ and llmbar/, as the tests read them. In every split people judge a random share of the prompts;
errors are counted on the rest, against what most people say (PandaLM) or the known answer (LLMBar).
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alignment.policy.basis import learn
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.policy.labels import USED, Labels
from alignment.policy.study import Study
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.intervals import Resampling
from alignment.statistics.verdicts import MISSING
from tests.alignment.policy.worlds import World
from tests.bench.policy_data import Labelled, llmbar, pandalm
from tests.bench.report import Row

SPLITS = int(os.environ.get("BENCH_SPLITS", "500"))
TABLE_SPLITS = 20
SHARE = 0.5  # of the prompts that people judge
QUICK = Resampling(50)
PROMISES = {
    "PandaLM": PolicyDocument(max_error=0.4, confidence=0.9, epsilon=0.3),
    "LLMBar": PolicyDocument(max_error=0.2, confidence=0.9),
}


class Exceeded(NamedTuple):
    """Of ``used`` splits in which labels on judges' word were used, ``beyond`` had more wrong than is tolerated."""

    used: int
    beyond: int
    error: float
    coverage: float


def labelled(data: Labelled, document: PolicyDocument, asked: np.ndarray) -> Labels:
    verdicts = data.verdicts(asked)
    study = Study(verdicts, data.facts, resampling=QUICK)
    return decide(document, learn(document, study, intervals=False).basis, verdicts)


def exceeded(data: Labelled, document: PolicyDocument, splits: int) -> Exceeded:
    errors, covered = [], []
    for split in range(splits):
        asked = data.part(np.random.default_rng(split), SHARE)
        labels = labelled(data, document, asked)
        alone = (labels.decision == USED) & ~asked
        if alone.any():
            errors.append(float((labels.ranking[alone] != data.truth[alone]).mean()))
            covered.append(alone.sum() / (~asked).sum())
    return _exceeded(errors, covered, document.max_error or 0.0)


def simulated(world: World, max_error: float, splits: int) -> Exceeded:
    """The same in a made-up world, of which people judge 200 prompts in each split."""
    document = PolicyDocument(max_error=max_error, confidence=0.9, epsilon=0.3)
    errors, covered = [], []
    for split in range(splits):
        drawn = np.random.default_rng(split).choice(world.n // 2, 200, replace=False)
        verdicts = world.verdicts(np.isin(world.prompts, drawn), slices=False)
        basis = learn(document, Study(verdicts, resampling=QUICK), intervals=False).basis
        labels = decide(document, basis, verdicts)
        alone = (labels.decision == USED) & (labels.people == 0)
        if alone.any():
            errors.append(float((labels.ranking[alone] != world.reference[alone]).mean()))
            covered.append(float(alone.sum() / (labels.people == 0).sum()))
    return _exceeded(errors, covered, max_error)


def allowed(splits: int, promised: float) -> float:
    """Three standard deviations above the promised number of the splits."""
    return splits * promised + 3 * float(np.sqrt(splits * promised * (1 - promised)))


def _exceeded(errors: list[float], covered: list[float], max_error: float) -> Exceeded:
    beyond = sum(error > max_error for error in errors)
    mean = (float(np.mean(errors)), float(np.mean(covered))) if errors else (float("nan"), 0.0)
    return Exceeded(len(errors), beyond, *mean)


def ways(data: Labelled, documents: dict[str, PolicyDocument]) -> Iterator[tuple[str, float, float]]:
    """(way, share labelled, share of those wrong) on what people did not judge, the mean over splits."""
    found: dict[str, list[tuple[float, float]]] = {}
    for split in range(TABLE_SPLITS):
        asked = data.part(np.random.default_rng(split), SHARE)
        rest = ~asked
        for name, document in documents.items():
            labels = labelled(data, document, asked)
            given = np.where(labels.decision == USED, labels.ranking, MISSING)
            found.setdefault(name, []).append(_error(data, given, rest))
        for name, verdict in zip(data.names, data.judges, strict=True):
            found.setdefault(f"{name} alone", []).append(_error(data, verdict, rest))
        found.setdefault("all judges pooled, by majority", []).append(_error(data, _pooled(data), rest))
        person = data.people[split % len(data.people)]
        found.setdefault("one person", []).append(_error(data, person, rest))
    for name, each in found.items():
        covered, wrong = np.nanmean(np.array(each), axis=0)
        yield name, float(covered), float(wrong)


def _pooled(data: Labelled) -> np.ndarray:
    rater, comparison = np.nonzero(data.judges != MISSING)
    return majority_vote(comparison, data.judges[rater, comparison], data.judges.shape[1])


def _error(data: Labelled, given: np.ndarray, rest: np.ndarray) -> tuple[float, float]:
    labelled_ = rest & (given != MISSING)
    wrong = (given[labelled_] != data.truth[labelled_]).mean() if labelled_.any() else float("nan")
    return labelled_.sum() / rest.sum(), float(wrong)


class Spent(NamedTuple):
    """Human labels for all comparisons to have a label, a share ``error`` of them wrong."""

    labels: float
    error: float


def people_alone(data: Labelled) -> Spent:
    """One person judges every comparison."""
    wrong = np.mean([(person != data.truth).mean() for person in data.people])
    return Spent(float(len(data.truth)), float(wrong))


def with_policy(data: Labelled, document: PolicyDocument, share: float) -> Spent:
    """Three people judge a random share, the policy decides, and one person judges all that is routed."""
    spent, errors = [], []
    for split in range(TABLE_SPLITS):
        rng = np.random.default_rng(1000 + split)
        asked = data.part(rng, share)
        labels = labelled(data, document, asked)
        given = np.where(labels.decision == USED, labels.ranking, MISSING)
        left = given == MISSING
        person = data.people[rng.integers(len(data.people), size=len(data.truth)), np.arange(len(data.truth))]
        final = np.where(left, person, given)
        spent.append(len(data.people) * asked.sum() + (left & ~asked).sum())
        errors.append((final != data.truth).mean())
    return Spent(float(np.mean(spent)), float(np.mean(errors)))


def cheapest(data: Labelled, error: float) -> tuple[Spent, float, float] | None:
    """The fewest human labels with which the policy errs no more than ``error``: (what it takes, share, max_error)."""
    found = [
        (with_policy(data, PolicyDocument(max_error=tolerated, epsilon=0.2), share), share, tolerated)
        for share in (0.15, 0.3, 0.5)
        for tolerated in (0.05, 0.1, 0.15, 0.2, 0.3)
    ]
    good = [each for each in found if each[0].error <= error + 1e-9]
    return min(good, key=lambda each: each[0].labels) if good else None


def tables(folder: Path) -> None:
    for data in (pandalm(folder), llmbar(folder)):
        documents = {
            f"our policy, max_error {error:.2f}": PolicyDocument(max_error=error, epsilon=epsilon)
            for error, epsilon in ((0.1, 0.2), (0.2, 0.2), (0.4, 0.3))
        }
        print(f"| {data.name} | labelled | wrong |\n| --- | --- | --- |")
        for name, covered, wrong in ways(data, documents):
            print(f"| {name} | {covered:.0%} | {'–' if np.isnan(wrong) else f'{wrong:.1%}'} |")
        alone = people_alone(data)
        best = cheapest(data, alone.error)
        print(f"\nOne person on everything: {alone.labels:.0f} human labels, {alone.error:.1%} wrong.")
        if best is None or best[0].labels >= alone.labels:
            fewest = "" if best is None else f" (the fewest: {best[0].labels:.0f})"
            print(f"No policy tried is as right with fewer human labels{fewest}.\n")
        else:
            print(
                f"With the policy: {best[0].labels:.0f} human labels, {best[0].error:.1%} wrong "
                f"(three people on {best[1]:.0%} of the prompts, max_error {best[2]:.2f}).\n"
            )


def measure(folder: Path) -> list[Row]:
    """The promise over many splits, as rows of the benchmark: the share of splits with more wrong than tolerated."""
    world = World(1200, seed=4, skill=(0.93, 0.9))
    rows = [
        row
        for error in (0.155, 0.22)
        for row in _rows("a made-up world", error, simulated(world, error, SPLITS))
    ]
    for data in (pandalm(folder), llmbar(folder)):
        document = PROMISES[data.name]
        rows += _rows(data.name, document.max_error or 0.0, exceeded(data, document, SPLITS))
    return rows


def _rows(name: str, max_error: float, found: Exceeded) -> list[Row]:
    what = f"{name}, {SPLITS} splits, judges' labels used in {found.used}"
    return [
        Row(
            f"{what}: more than {max_error} wrong",
            "",
            found.beyond / SPLITS,
            goal=allowed(SPLITS, 0.1) / SPLITS,
        ),
        Row(f"{what}: wrong, on the mean", "", found.error),
        Row(f"{what}: share of the rest that they cover", "", found.coverage),
    ]


if __name__ == "__main__":
    tables(Path(sys.argv[1]))
    for row in measure(Path(sys.argv[1])):
        print(f"{row.name}: {row.ours:.3f}" + ("" if row.goal is None else f" (at most {row.goal:.3f})"))
