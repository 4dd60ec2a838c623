"""All that a policy learns from a project's judgments, and decides by: frozen, it decides on new judgments alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignment.policy.certificates import Certificate, trusted_rows
from alignment.policy.combining import families_of
from alignment.policy.document import PolicyDocument
from alignment.policy.guarantee import (
    Calibration,
    Guarantee,
    accuracies,
    calibrate,
    guarantees,
    judges_say,
    weights,
)
from alignment.policy.people import Standing
from alignment.policy.study import Study
from alignment.policy.verdicts import ALL, Mask, Verdicts
from alignment.statistics.aggregation import OneCoin
from alignment.statistics.calibration import Calibrator, fit_calibrator
from alignment.statistics.verdicts import MISSING, Codes, Floats
from alignment.statistics.weighing import Weighing

NOT_SHOWN = float("inf")


@dataclass(frozen=True)
class Basis:
    """``standings`` of people, ``certificates`` of judges, ``model`` of raters' accuracies where people had a say and
    ``weighing`` of judges where they speak alone (None where votes are counted), ``calibrator`` of what these say,
    ``thresholds`` by slice, NOT_SHOWN where none is (empty where the policy asks for none), and each rater's
    ``families``."""

    standings: tuple[Standing, ...]
    certificates: tuple[Certificate, ...]
    model: OneCoin | None
    weighing: Weighing | None
    calibrator: Calibrator
    thresholds: Mapping[str, float]
    families: Codes

    def counts(self, verdicts: Verdicts) -> Mask:
        """By rater: a person who counts, or a machine."""
        counts = ~verdicts.people
        counts[[standing.person for standing in self.standings if standing.counts]] = True
        return counts

    def threshold_of(self, document: PolicyDocument, verdicts: Verdicts) -> Floats:
        """By comparison, what a label on judges' word alone must reach: the highest threshold of its slices."""
        if not self.thresholds:
            return np.full(verdicts.count, document.min_confidence)
        overall = self.thresholds[ALL]
        found = np.zeros(verdicts.count)
        untagged = np.ones(verdicts.count, dtype=np.bool_)
        for name, mask in verdicts.slices.items():
            if name != ALL:
                np.maximum(found, np.where(mask, self.thresholds.get(name, overall), 0.0), out=found)
                untagged &= ~mask
        found[untagged] = overall
        return found


@dataclass(frozen=True)
class Learnt:
    """A basis with what it was made from: the calibration set and what is shown by it."""

    basis: Basis
    calibration: Calibration
    guarantees: Mapping[str, Guarantee]


def learn(
    document: PolicyDocument,
    study: Study,
    *,
    intervals: bool = True,
    alive: Callable[[], None] = lambda: None,
) -> Learnt:
    """Who counts, which judges are trusted, how accurate everybody is, and which confidence is enough.

    Without ``intervals`` certificates lack those that decide nothing. ``alive`` is called now and then.
    """
    view = study.view(document)
    given = view.certificates(document, None, intervals)
    alive()
    families = families_of(study.facts)
    model = accuracies(document, view, trusted_rows(given, view.verdicts), families)
    weighing = weights(document, view, given, families, None)
    alive()
    calibration = calibrate(document, study, view)
    alive()
    shown = guarantees(document, view, calibration)
    thresholds = {
        name: NOT_SHOWN if one.threshold is None else one.threshold for name, one in shown.items() if one.own
    }
    said = judges_say(document, view, given, families, calibration.comparison, weighing)
    known = said.codes != MISSING
    right = said.codes == view.reference[calibration.comparison]
    calibrator = fit_calibrator(said.posterior[known], right[known])
    basis = Basis(study.standings(document), tuple(given), model, weighing, calibrator, thresholds, families)
    return Learnt(basis, calibration, shown)


def basis_document(basis: Basis, names: Sequence[str]) -> dict[str, Any]:
    """What ``basis_from`` needs besides the certificates and standings, as JSON; raters by name."""
    model, weighing = basis.model, basis.weighing
    accuracy = {} if model is None else dict(zip(names, model.accuracy.tolist(), strict=True))
    return {
        "accuracy": accuracy,
        "prior": None if model is None else model.prior.tolist(),
        "given": None if model is None else model.given.tolist(),
        "weight": {}
        if weighing is None
        else dict(zip(names, weighing.weight.reshape(-1, 2).tolist(), strict=True)),
        "tie": None if weighing is None else weighing.tie,
        "calibrator": list(basis.calibrator),
        "thresholds": {
            name: None if value == NOT_SHOWN else value for name, value in sorted(basis.thresholds.items())
        },
        "families": dict(zip(names, basis.families.tolist(), strict=True)),
    }


def model_from(found: Mapping[str, Any], names: Sequence[str]) -> OneCoin | None:
    """The model of ``basis_document`` for these raters; one it does not know is as accurate as all are on the mean."""
    if found["prior"] is None:
        return None
    known = found["accuracy"]
    mean = sum(known.values()) / max(1, len(known))
    accuracy = np.array([known.get(name, mean) for name in names])
    return OneCoin(accuracy, np.array(found["prior"]), np.array(found["given"]), float("nan"))


def weighing_from(found: Mapping[str, Any], names: Sequence[str]) -> Weighing | None:
    """The judges' weights of ``basis_document`` for these raters; of one that it does not know nothing is known."""
    if found["tie"] is None:
        return None
    known = [found["weight"].get(name, [0.0, 0.0]) for name in names]
    return Weighing(np.array(known, dtype=np.float64).ravel(), found["tie"])


def thresholds_from(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: NOT_SHOWN if value is None else value for name, value in found["thresholds"].items()}


def families_from(found: Mapping[str, Any], names: Sequence[str]) -> Codes:
    """Each rater's family; one that is not known is of its own."""
    known = found["families"]
    free = max(known.values(), default=-1) + 1
    return np.array([known.get(name, free + place) for place, name in enumerate(names)], dtype=np.int64)


def calibrator_from(found: Mapping[str, Any]) -> Calibrator:
    return Calibrator(*found["calibrator"])
