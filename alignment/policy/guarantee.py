"""Labels on judges' word alone, and how often people would contradict them: cross-fitted, so no item judges itself.

What is learnt from people (which judges are trusted, what their verdicts are worth together) is learnt
five times, each time without one fold of the prompts, and then looked at on that fold: there the judges' label stands
beside people's verdict, of which nothing in that label or its confidence knows. On these pairs the threshold is
selected, on every slice with enough of them and over all.

What is guaranteed. Let the calibration set be a random draw of prompts from those that labels are wanted for, with one
comparison of each. Then with probability ``confidence`` over that draw, of the labels made in the same way at or above
the threshold, people contradict at most a share ``max_error``; contradict is: give another ranking, by the plurality
of as many people as judged the calibration set, the lot among equals. It holds for each slice that has a threshold of
its own, one by one and not for all at once, and over all comparisons for the rest together.

What is not guaranteed. The labels that are used come from rules learnt on all folds, each tested one on four of five:
they should be no worse, but that is no theorem. It is about people as they judge, not the truth. It does not cover
labels in which people had a say. A calibration set that is not random (routed by doubt, one day's work) guarantees
nothing for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alignment.policy.certificates import Certificate, heard_rows, trusted_rows
from alignment.policy.combining import (
    Counted,
    combine,
    count,
    families_of,
    learn_accuracies,
    learn_weights,
)
from alignment.policy.document import PolicyDocument
from alignment.policy.study import Study, View
from alignment.policy.verdicts import ALL, Ground, Mask, Verdicts
from alignment.statistics.aggregation import OneCoin
from alignment.statistics.calibration import fit_calibrator
from alignment.statistics.selection import Selection, fewest_items, more_items, select_threshold
from alignment.statistics.verdicts import MISSING, Codes, Floats
from alignment.statistics.weighing import Weighing


@dataclass(frozen=True)
class Calibration:
    """The judges' labels beside people's, one row a comparison: ``confidence`` calibrated on the other folds."""

    comparison: Codes
    posterior: Floats
    confidence: Floats
    wrong: Codes
    drawn: int

    @property
    def n(self) -> int:
        return len(self.comparison)


@dataclass(frozen=True)
class Guarantee:
    """What is shown for one slice. ``own``: it speaks for the slice; with too few comparisons to show anything, what
    is shown over all does. ``needed``: how many more comparisons people must judge until it is shown, None where no
    number is enough as things stand."""

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


def calibrate(document: PolicyDocument, study: Study, view: View) -> Calibration:
    """Judges' labels on the calibration set, each from what the other folds say."""
    families = families_of(study.facts)
    at = np.flatnonzero(view.asked & fair_ground(document, study))
    fold = view.fold[at]
    codes = np.full(len(at), MISSING, dtype=np.int64)
    posterior, confidence = np.full(len(at), np.nan), np.full(len(at), np.nan)
    for part in np.unique(fold).tolist():
        given = view.certificates(document, part, intervals=False)
        model = weights(document, view, given, families, part)
        said = judges_say(document, view, given, families, at, model)
        known = said.codes != MISSING
        others, held = known & (fold != part), known & (fold == part)
        right = said.codes == view.reference[at]
        calibrator = fit_calibrator(said.posterior[others], right[others])
        codes[held], posterior[held] = said.codes[held], said.posterior[held]
        confidence[held] = calibrator.apply(said.posterior[held])
    found = codes != MISSING
    wrong = (codes[found] != view.reference[at[found]]).astype(np.int64)
    drawn = int((study.ground[at[found]] == Ground.DRAWN).sum())
    return Calibration(at[found], posterior[found], confidence[found], wrong, drawn)


class Said(NamedTuple):
    """What judges say alone: a ranking or MISSING, where it is tied too, and its posterior."""

    codes: Codes
    posterior: Floats


def judges_say(
    document: PolicyDocument,
    view: View,
    certificates: Sequence[Certificate],
    families: Codes,
    at: Codes,
    model: Weighing | None,
) -> Said:
    """The labels of the judges that are trusted, on the comparisons ``at`` (ascending)."""
    held = np.zeros(view.verdicts.count, dtype=np.bool_)
    held[at] = True
    judges = on_their_word(document, view.verdicts, certificates, families, held)
    place = (np.cumsum(held) - 1)[judges.comparison]
    best = combine(model, judges._replace(comparison=place), view.verdicts.rankings, len(at))
    return Said(np.where(best.tied, MISSING, best.codes), best.confidence)


def on_their_word(
    document: PolicyDocument,
    verdicts: Verdicts,
    certificates: Sequence[Certificate],
    families: Codes,
    held: Mask,
) -> Counted:
    """What counts where judges alone speak, on the comparisons ``held``: with a verdict of one that is trusted there
    those of all that are heard; where votes are counted, the trusted ones' alone."""
    trusted = trusted_rows(certificates, verdicts) & (verdicts.verdict != MISSING)
    if document.combine == "majority":
        return count(document, verdicts, trusted & held[verdicts.comparison], families)
    led = held & (np.bincount(verdicts.comparison[trusted], minlength=verdicts.count) > 0)
    heard = heard_rows(certificates, verdicts) & (verdicts.verdict != MISSING) & led[verdicts.comparison]
    return count(document, verdicts, heard, families, able=trusted)


def weights(
    document: PolicyDocument,
    view: View,
    certificates: Sequence[Certificate],
    families: Codes,
    fold: int | None,
) -> Weighing | None:
    """What judges' verdicts are worth together, where people judged outside the ``fold``; None where votes count."""
    if document.combine == "majority":
        return None
    asked = view.asked if fold is None else view.asked & (view.fold != fold)
    heard = heard_rows(certificates, view.verdicts) & asked[view.verdicts.comparison]
    trusted = trusted_rows(certificates, view.verdicts)
    counted = count(document, view.verdicts, heard, families, able=trusted)
    return learn_weights(counted, view.reference, view.verdicts.rankings, len(view.verdicts.people))


def accuracies(document: PolicyDocument, view: View, trusted: Mask, families: Codes) -> OneCoin | None:
    """How accurate people and trusted judges are, where people judged; None where votes count."""
    if document.combine == "majority":
        return None
    rows = (view.person | trusted) & view.asked[view.verdicts.comparison]
    counted = count(document, view.verdicts, rows, families)
    return learn_accuracies(counted, view.asked, view.verdicts.rankings, len(view.verdicts.people))


def guarantees(document: PolicyDocument, view: View, calibration: Calibration) -> dict[str, Guarantee]:
    """By slice what is shown of labels on judges' word; nothing where the policy asks for no guarantee."""
    if document.max_error is None:
        return {}
    least = fewest_items(document.max_error, document.confidence)
    found = {}
    for name in view.names:
        part = view.verdicts.mask(name)[calibration.comparison]
        selection = _select(calibration, part, view.verdicts.prompts, document.max_error, document.confidence)
        found[name] = Guarantee(name, name == ALL or selection.n >= least, selection, more_items(selection))
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
