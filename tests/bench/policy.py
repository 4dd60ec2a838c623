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
SHARE = 0.5  # of the prompts that people judge
QUICK = Resampling(50)
PROMISES = {
    "PandaLM": PolicyDocument(max_error=0.4, confidence=0.9, epsilon=0.3),
    "LLMBar": PolicyDocument(max_error=0.2, confidence=0.9),
}
POLICIES = [
    PolicyDocument(max_error=error, epsilon=epsilon)
    for error, epsilon in ((0.1, 0.2), (0.2, 0.2), (0.4, 0.3))
]


# Ways that ours is held against at equal coverage too.
BEST, POOLED = "the judge that people agree with most", "all judges pooled, by majority"
BESIDE = (BEST, POOLED)


class Outcome(NamedTuple):
    """What one way makes of one split: the share of the rest that it labels, the share of those that are wrong (NaN
    where there are none), and the human labels that it needs for it."""

    coverage: float
    error: float
    labels: float


class Over(NamedTuple):
    """Over splits: in ``used`` of them there were labels, in ``beyond`` more of them wrong than is tolerated; the rest
    are means, of the error over those ``used``."""

    used: int
    beyond: int
    coverage: float
    error: float
    labels: float


def over(outcomes: list[Outcome], max_error: float | None = None) -> Over:
    coverage, error, labels = np.array(outcomes).T
    used = ~np.isnan(error)
    beyond = 0 if max_error is None else int((error[used] > max_error).sum())
    wrong = float(error[used].mean()) if used.any() else float("nan")
    return Over(int(used.sum()), beyond, float(coverage.mean()), wrong, float(labels.mean()))


def labelled(data: Labelled, document: PolicyDocument, asked: np.ndarray) -> Labels:
    verdicts = data.verdicts(asked)
    study = Study(verdicts, data.facts, resampling=QUICK)
    return decide(document, learn(document, study, intervals=False).basis, verdicts)


def given(labels: Labels) -> np.ndarray:
    """The ranking of each label that is used, MISSING elsewhere."""
    return np.where(labels.decision == USED, labels.ranking, MISSING)


def exceeded(data: Labelled, document: PolicyDocument, splits: int) -> Over:
    asked = [data.part(np.random.default_rng(split), SHARE) for split in range(splits)]
    outcomes = [_by_policy(data, document, each) for each in asked]
    return over(outcomes, document.max_error)


def simulated(world: World, max_error: float, splits: int) -> Over:
    """The same in a made-up world, of which people judge 200 prompts in each split."""
    document = PolicyDocument(max_error=max_error, confidence=0.9, epsilon=0.3)
    outcomes = []
    for split in range(splits):
        drawn = np.random.default_rng(split).choice(world.n // 2, 200, replace=False)
        verdicts = world.verdicts(np.isin(world.prompts, drawn), slices=False)
        basis = learn(document, Study(verdicts, resampling=QUICK), intervals=False).basis
        labels = decide(document, basis, verdicts)
        people = float(verdicts.people[verdicts.rater].sum())
        outcomes.append(_outcome(world.reference, given(labels), labels.people == 0, people))
    return over(outcomes, max_error)


def allowed(splits: int, promised: float) -> float:
    """Three standard deviations above the promised number of the splits."""
    return splits * promised + 3 * float(np.sqrt(splits * promised * (1 - promised)))


def ways(data: Labelled) -> dict[str, Over]:
    """What policies and simpler ways make of what people did not judge."""
    found: dict[str, list[Outcome]] = {}
    for split in range(SPLITS):
        asked = data.part(np.random.default_rng(split), SHARE)
        for document in POLICIES:
            found.setdefault(_name(document), []).append(_by_policy(data, document, asked))
        most = labelled(data, POLICIES[-1], asked)
        for name, verdicts, labels in _simpler(data, asked, split):
            found.setdefault(name, []).append(_outcome(data.truth, verdicts, ~asked, labels))
            if name in BESIDE:
                as_many = surest(most, ~asked, int((~asked & (verdicts != MISSING)).sum()))
                name = f"{_name(POLICIES[-1])}, the surest, as many as {name}"
                found.setdefault(name, []).append(_outcome(data.truth, as_many, ~asked, _spent(data, asked)))
    tolerated = {_name(document): document.max_error for document in POLICIES}
    return {name: over(outcomes, tolerated.get(name)) for name, outcomes in found.items()}


def surest(labels: Labels, rest: np.ndarray, number: int) -> np.ndarray:
    """The rankings of so many labels of the rest that are used, the surest; by lot among equals."""
    used = np.flatnonzero(rest & (labels.decision == USED))
    lot = np.random.default_rng(0).random(len(used))
    taken = used[np.lexsort((lot, -labels.confidence[used]))[:number]]
    return np.where(np.isin(np.arange(len(rest)), taken), labels.ranking, MISSING)


def _name(document: PolicyDocument) -> str:
    return f"our policy, max_error {document.max_error:.2f}"


def _simpler(data: Labelled, asked: np.ndarray, split: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """(way, verdicts, human labels that it needs)."""
    for name, verdicts in zip(data.names, data.judges, strict=True):
        yield f"{name} alone", verdicts, 0
    yield POOLED, _pooled(data), 0
    said_the_same = [(verdicts == data.people)[:, asked].sum() for verdicts in data.judges]
    yield BEST, data.judges[np.argmax(said_the_same)], _spent(data, asked)
    yield "one person", data.people[split % len(data.people)], float((~asked).sum())


def _spent(data: Labelled, asked: np.ndarray) -> float:
    """Human labels: everybody judges what is asked."""
    return float(len(data.people) * asked.sum())


def _pooled(data: Labelled) -> np.ndarray:
    rater, comparison = np.nonzero(data.judges != MISSING)
    return majority_vote(comparison, data.judges[rater, comparison], data.judges.shape[1])


def _by_policy(data: Labelled, document: PolicyDocument, asked: np.ndarray) -> Outcome:
    return _outcome(data.truth, given(labelled(data, document, asked)), ~asked, _spent(data, asked))


def _outcome(truth: np.ndarray, verdicts: np.ndarray, rest: np.ndarray, labels: float) -> Outcome:
    there = rest & (verdicts != MISSING)
    wrong = float((verdicts[there] != truth[there]).mean()) if there.any() else float("nan")
    return Outcome(float(there.sum() / rest.sum()), wrong, labels)


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
    for split in range(SPLITS):
        rng = np.random.default_rng(1000 + split)
        asked = data.part(rng, share)
        verdicts = given(labelled(data, document, asked))
        left = verdicts == MISSING
        person = data.people[rng.integers(len(data.people), size=len(data.truth)), np.arange(len(data.truth))]
        final = np.where(left, person, verdicts)
        spent.append(_spent(data, asked) + (left & ~asked).sum())
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


def table(data: Labelled) -> None:
    """As it stands in docs/benchmarks.md."""
    print(f"| {data.name} | human labels | labelled | wrong | splits with more wrong than max_error |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in ways(data).items():
        wrong = "–" if np.isnan(found.error) else f"{found.error:.1%}"
        beyond = f"{found.beyond / SPLITS:.1%}" if name in map(_name, POLICIES) else ""
        print(f"| {name} | {found.labels:,.0f} | {found.coverage:.0%} | {wrong} | {beyond} |")
    alone = people_alone(data)
    print(f"\nOne person on everything: {alone.labels:.0f} human labels, {alone.error:.1%} wrong.")
    best = cheapest(data, alone.error)
    if best is None:
        print("No policy tried errs as little.\n")
    else:
        print(
            f"With the policy, the fewest: {best[0].labels:.0f} human labels, {best[0].error:.1%} wrong "
            f"(three people on {best[1]:.0%} of the prompts, max_error {best[2]:.2f}).\n"
        )


def measure(folder: Path) -> list[Row]:
    """The promise over many splits as rows of the benchmark, and what simpler ways and people alone come to."""
    world = World(1200, seed=4, skill=(0.93, 0.9))
    rows = [
        row
        for error in (0.155, 0.22)
        for row in _promise("a made-up world", error, simulated(world, error, SPLITS))
    ]
    for data in (pandalm(folder), llmbar(folder)):
        document = PROMISES[data.name]
        rows += _promise(data.name, document.max_error or 0.0, exceeded(data, document, SPLITS))
        rows += _beside(data)
    return rows


def _promise(name: str, max_error: float, found: Over) -> list[Row]:
    what = f"{name}, {SPLITS} splits, judges' labels used in {found.used}"
    return [
        Row(
            f"{what}: more than {max_error} wrong",
            "",
            found.beyond / SPLITS,
            goal=allowed(SPLITS, 0.1) / SPLITS,
        ),
        *([Row(f"{what}: wrong, on the mean", "", found.error)] if found.used else []),
        Row(f"{what}: share of the rest that they cover", "", found.coverage),
    ]


def _beside(data: Labelled) -> list[Row]:
    rows = []
    for name, found in ways(data).items():
        name = f"{data.name}, {found.labels:,.0f} human labels, {name}"
        rows.append(Row(f"{name}: share of the rest that it labels", "", found.coverage))
        if found.used:
            rows.append(Row(f"{name}: wrong of those", "", found.error))
    alone = people_alone(data)
    if (best := cheapest(data, alone.error)) is not None:
        name = f"{data.name}, human labels for no more than {alone.error:.1%} wrong"
        rows.append(Row(name, "", best[0].labels, "one person", alone.labels))
    return rows


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for data in (pandalm(folder), llmbar(folder)):
        table(data)
