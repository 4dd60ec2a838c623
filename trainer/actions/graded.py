"""What graders and reward models say of each of the two models by itself: pass rates, labels, rewards, best of n."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from alignment.statistics.best_of_n import best_of_n
from alignment.statistics.classification import OTHER, Classification, classification
from alignment.statistics.intervals import cluster_mean, cluster_share
from alignment.statistics.results import Statistic
from judges.core.providers import GRADER
from trainer.actions.evaluation_scores import BASE, MODEL, Place, grades_by, scores_by
from trainer.actions.inference import texts_in
from trainer.folders import evaluation_folder
from trainer.models import Evaluation

PASS_MARK = 0.5  # the reward from which a response passes, as in OpenAI's graders
SIDES = (("model", MODEL), ("base", BASE))
MOST_LABELS = 20  # more different references than this are answers, not labels
Values = Mapping[Place, float | None]


def pass_rates(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Of each grader that ran here: the share of each model's responses that pass, and the mean rewards."""
    found = []
    for judge in evaluation.judges.filter(provider=GRADER).order_by("name"):
        grades = grades_by(evaluation, judge)
        row: dict[str, Any] = {"name": str(judge), "pass_mark": PASS_MARK, "ran": bool(grades)}
        for name, side in SIDES:
            row[name] = _share(grades, side).as_json()
            row[f"{name}_reward"] = _mean(grades, side).as_json()
        found.append(row | {"difference": _difference(grades, _passes).as_json()})
    return found


def reward_means(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Of each reward model: both models' mean rewards, and their difference on the same prompts."""
    found = []
    for version in evaluation.reward_models.order_by("name"):
        scores = scores_by(evaluation, version)
        means = {name: _mean(scores, side).as_json() for name, side in SIDES}
        found.append(
            {"name": version.name, **means, "difference": _difference(scores, lambda x: x).as_json()}
        )
    return found


def best_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """For each reward model the curve of the best of n of the model's samples, with each grader as the other score."""
    samples, prompts = evaluation.parameters["samples"], len(evaluation.prompts)
    if samples < 2:
        return []
    curves = []
    graders = [
        (str(judge), _matrix(grades, prompts, samples))
        for judge in evaluation.judges.filter(provider=GRADER).order_by("name")
        if (grades := grades_by(evaluation, judge))
    ]
    for version in evaluation.reward_models.order_by("name"):
        picking = _matrix(scores_by(evaluation, version), prompts, samples)
        points = best_of_n(picking)
        curve: dict[str, Any] = {
            "reward_model": version.name,
            "points": [{"n": each.n, "kl": each.kl, "picked": each.picked.as_json()} for each in points],
            "gold": [],
        }
        for name, gold in graders:
            by_gold = [each.gold.as_json() for each in best_of_n(picking, gold) if each.gold]
            curve["gold"].append({"name": name, "points": by_gold})
        curves.append(curve)
    return curves


def classified(evaluation: Evaluation) -> dict[str, Any] | None:
    """Precision, recall and F1 where the references are a few labels; None where they are not."""
    items = evaluation.items
    references = {
        index: _plain(item["reference"])
        for index, item in enumerate(items)
        if item["reference"] and item["reference"].strip()
    }
    labels = sorted(set(references.values()))
    if not 2 <= len(labels) <= MOST_LABELS or 2 * len(labels) > len(references):
        return None
    found: dict[str, Any] = {"labels": labels}
    for name, _side in SIDES:
        texts = texts_in(evaluation_folder(evaluation) / name)
        rows = [(index, text) for (index, _), text in sorted(texts.items()) if index in references]
        answered = [_label(text, labels) for _, text in rows]
        truth = [labels.index(references[index]) for index, _ in rows]
        scored = classification(truth, answered, [index for index, _ in rows], labels=labels)
        found[name] = _classified_json(scored)
    return found


def _classified_json(scored: Classification) -> dict[str, Any]:
    return {
        "accuracy": scored.accuracy.as_json(),
        "macro_f1": scored.macro_f1.as_json(),
        "other": scored.other,
        "labels": [
            {
                "label": each.label,
                "precision": each.precision.as_json(),
                "recall": each.recall.as_json(),
                "f1": each.f1.as_json(),
                "support": each.support,
                "given": each.given,
            }
            for each in scored.labels
        ],
    }


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(".!\"' ").casefold()


def _label(text: str | None, labels: Sequence[str]) -> int:
    said = _plain(text or "")
    return labels.index(said) if said in labels else OTHER


def _passes(reward: float) -> float:
    return float(reward >= PASS_MARK)


def _of(values: Values, side: int) -> tuple[list[tuple[int, float]], int]:
    """(prompt, value) of one model's responses that have one, and how many have none."""
    own = [(place.number, value) for place, value in values.items() if place.side == side]
    known = [(index, value) for index, value in own if value is not None]
    return known, len(own) - len(known)


def _share(values: Values, side: int) -> Statistic:
    known, excluded = _of(values, side)
    if not known:
        return Statistic.undefined("no data", 0, excluded)
    passed = np.array([_passes(value) for _, value in known])
    return cluster_share(passed, np.array([index for index, _ in known]), excluded=excluded)


def _mean(values: Values, side: int) -> Statistic:
    known, excluded = _of(values, side)
    if not known:
        return Statistic.undefined("no data", 0, excluded)
    return cluster_mean(
        np.array([value for _, value in known]), np.array([index for index, _ in known]), excluded=excluded
    )


def _difference(values: Values, of: Callable[[float], float]) -> Statistic:
    """The model's less the base's, response by response to the same prompt and sample."""
    pairs = {(place.number, place.sample) for place in values}
    both = [
        (index, values.get(Place(MODEL, index, n)), values.get(Place(BASE, index, n))) for index, n in pairs
    ]
    known = sorted((index, of(ours) - of(base)) for index, ours, base in both if None not in (ours, base))  # type: ignore[arg-type]  # neither is None
    if not known:
        return Statistic.undefined("no data", 0, len(pairs))
    return cluster_mean(
        np.array([value for _, value in known]),
        np.array([index for index, _ in known]),
        excluded=len(pairs) - len(known),
    )


def _matrix(values: Values, prompts: int, samples: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The model's values (prompts × samples), NaN where there is none."""
    matrix = np.full((prompts, samples), np.nan)
    for place, value in values.items():
        if place.side == MODEL and value is not None:
            matrix[place.number, place.sample] = value
    return matrix
