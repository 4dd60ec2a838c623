"""The data of `make bench-agreement`: made once, read by ours and by every peer."""

from pathlib import Path

import numpy as np

VALUES = 5
PEOPLE = 50
MODELS = 20


def make(folder: Path, labels: int) -> None:
    """``labels`` labels by 50 people, five an item, and a judge; scores from 0 to 100; pairs; battles of 20 models."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    items = labels // 5
    truth = rng.integers(0, VALUES, items)
    item = np.repeat(np.arange(items), 5)
    rater = np.argsort(rng.random((items, PEOPLE)), axis=1)[:, :5].ravel()
    skill = rng.uniform(0.5, 0.9, PEOPLE)
    label = np.where(rng.random(5 * items) < skill[rater], truth[item], rng.integers(0, VALUES, 5 * items))
    judge = np.where(rng.random(items) < 0.75, truth, rng.integers(0, VALUES, items))
    np.savez(folder / "labels.npz", item=item, rater=rater, label=label, judge=judge, truth=truth)
    scored = labels // 50
    score = np.clip(
        np.repeat(rng.integers(0, 101, scored // 5), 5) + rng.integers(-15, 16, scored // 5 * 5), 0, 100
    )
    np.savez(folder / "scores.npz", item=item[: len(score)], rater=rater[: len(score)], score=score)
    pairs = labels // 10
    one = rng.integers(0, VALUES, pairs)
    two = np.where(rng.random(pairs) < 0.7, one, rng.integers(0, VALUES, pairs))
    np.savez(folder / "pairs.npz", one=one, two=two)
    first = rng.integers(0, MODELS, pairs)
    second = (first + rng.integers(1, MODELS, pairs)) % MODELS
    theta = rng.normal(size=MODELS)
    won = rng.random(pairs) < 1 / (1 + np.exp(theta[second] - theta[first]))
    verdict = np.where(rng.random(pairs) < 0.15, 2, np.where(won, 0, 1))
    np.savez(folder / "battles.npz", first=first, second=second, verdict=verdict)
