"""Labels on judges' word alone, and how often people would contradict them: cross-fitted, so no item judges itself.

What is learnt from people (which judges are trusted, how accurate each rater is, how sure a posterior is) is learnt five
times, each time without one fold of the prompts, and then looked at on that fold: there the judges' label stands beside
people's verdict. On these pairs the threshold is selected, on every slice with enough of them and over all.

What is guaranteed. Let the calibration set be a random draw of prompts from those that labels are wanted for, with one
comparison of each. Then with probability ``confidence`` over that draw, of the labels made in the same way at or above the
threshold, people contradict at most a share ``max_error``; contradict is: give another ranking, by the plurality of as
many people as judged the calibration set, the lot among equals. It holds for each slice that has a threshold of its own,
one by one and not for all at once, and over all comparisons for the rest together.

What is not guaranteed. The labels that are used come from rules learnt on all folds, each tested one on four of five: they
should be no worse, but that is no theorem. It is about people as they judge, not the truth. It does not cover labels in
which people had a say. A calibration set that is not random (routed by doubt, one day's work) guarantees nothing for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.policy.certificates import Certificate, trusted_rows
from alignment.policy.combining import Counted, combine, count, families_of, learn_accuracies
from alignment.policy.document import PolicyDocument
from alignment.policy.study import FOLDS, Study, View
from alignment.policy.verdicts import ALL, Ground, Mask
from alignment.statistics.calibration import Calibrator, fit_calibrator
from alignment.statistics.selection import Selection, fewest_items, more_items, select_threshold
from alignment.statistics.verdicts import MISSING, Codes, Floats

AS_IT_IS = Calibrator(0.0, 1.0)


@dataclass(frozen=True)
class Calibration:
    """The judges' labels beside people's, one row a comparison: ``confidence`` calibrated on the other folds."""

    comparison: Codes
    posterior: Floats
    confidence: Floats
    wrong: Codes
    calibrator: Calibrator
    drawn: int

    @property
    def n(self) -> int:
        return len(self.comparison)


@dataclass(frozen=True)
class Guarantee:
    """What is shown for one slice. ``own``: it speaks for the slice; with too few comparisons to show anything, what is
    shown over all does. ``needed``: how many more comparisons people must judge until it is shown, None where no number is
    enough as things stand."""

    slice: str
    own: bool
    selection: Selection
    needed: int | None

    @property
    def threshold(self) -> float | None:
        return self.selection.threshold


def rounded(confidence: Floats) -> Floats:
    """Confidences as thresholds see them: in hundredths, so that five calibrators that differ by chance agree."""
    return np.round(confidence, 2)


def fair_ground(document: PolicyDocument, study: Study) -> Mask:
    """By comparison: if people judged it, does it belong to the calibration set?"""
    drawn = study.ground == Ground.DRAWN
    fair: Mask = drawn | ((study.ground == Ground.OTHER) & (document.calibration == "judged"))
    return fair


def calibrate(
    document: PolicyDocument,
    study: Study,
    view: View,
    certificates: Sequence[Certificate] | None = None,
) -> Calibration:
    """Judges' labels on the calibration set, each from what the other folds say.

    ``certificates`` stand in place of those that each time the other folds give.
    """
    wanted = view.asked & fair_ground(document, study)
    codes = np.full(view.verdicts.count, MISSING, dtype=np.int64)
    posterior = np.full(view.verdicts.count, np.nan)
    families = families_of(study.facts)
    for fold in range(FOLDS):
        trusted = trusted_rows(
            view.certificates(document, fold, intervals=False) if certificates is None else certificates,
            view.verdicts,
        )
        held = wanted & (view.fold == fold)
        if held.any() and trusted.any():
            _look_at_fold(document, view, fold, held, trusted, families, codes, posterior)
    found = np.flatnonzero(codes != MISSING)
    wrong = (codes[found] != view.reference[found]).astype(np.int64)
    confidence, calibrator = _cross_fit(posterior[found], wrong, view.fold[found])
    drawn = int((study.ground[found] == Ground.DRAWN).sum())
    return Calibration(found, posterior[found], confidence, wrong, calibrator, drawn)


def _look_at_fold(
    document: PolicyDocument,
    view: View,
    fold: int,
    held: Mask,
    trusted: Mask,
    families: Codes,
    codes: Codes,
    posterior: Floats,
) -> None:
    """Write the labels of judges alone on the fold's comparisons under ``held``; those that tie get none."""
    inside = view.fold[view.verdicts.comparison] == fold
    judges = count(document, view.verdicts, trusted & held[view.verdicts.comparison], families)
    model = None
    if document.combine == "dawid_skene":
        people = view.asked & (view.fold != fold)
        known = count(document, view.verdicts, (view.person | trusted) & ~inside, families)
        model = learn_accuracies(known, people, view.verdicts.rankings, len(view.verdicts.people))
    place, at = _compact(judges, held)
    best = combine(model, place, view.verdicts.rankings, len(at))
    sure = (best.codes != MISSING) & ~best.tied
    codes[at[sure]], posterior[at[sure]] = best.codes[sure], best.confidence[sure]


def _compact(counted: Counted, held: Mask) -> tuple[Counted, Codes]:
    """The rows with the comparisons under the mask numbered from 0, and which those are."""
    at = np.flatnonzero(held)
    return counted._replace(comparison=(np.cumsum(held) - 1)[counted.comparison]), at


def _cross_fit(posterior: Floats, wrong: Codes, fold: Codes) -> tuple[Floats, Calibrator]:
    if not len(posterior):
        return posterior, AS_IT_IS
    confidence = np.empty(len(posterior))
    for part in range(FOLDS):
        held = fold == part
        if held.any():
            confidence[held] = fit_calibrator(posterior[~held], 1 - wrong[~held]).apply(posterior[held])
    return confidence, fit_calibrator(posterior, 1 - wrong)


def guarantees(document: PolicyDocument, view: View, calibration: Calibration) -> dict[str, Guarantee]:
    """By slice what is shown of labels on judges' word; nothing where the policy asks for no guarantee."""
    if document.max_error is None:
        return {}
    least = fewest_items(document.max_error, document.confidence)
    found = {}
    for name in view.names:
        part = view.verdicts.mask(name)[calibration.comparison]
        selection = _select(calibration, part, view.verdicts.prompts, document.max_error, document.confidence)
        found[name] = Guarantee(
            name, name == ALL or selection.n >= least, selection, more_items(selection)
        )
    return found


def _select(
    calibration: Calibration, part: Mask, prompts: Codes, max_error: float, confidence: float
) -> Selection:
    """The selection on these rows, whatever their order."""
    prompt, wrong = prompts[calibration.comparison[part]], calibration.wrong[part]
    sure = rounded(calibration.confidence[part])
    order = np.lexsort((wrong, sure, prompt))
    return select_threshold(
        sure[order], wrong[order], prompt[order], max_error=max_error, confidence=confidence
    )
