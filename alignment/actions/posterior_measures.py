"""What all machines together say, held against people who were kept out of it: its calibration, and what it adds to
people's labels where models are compared. Part of ``measures``.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from alignment.actions.bias_measures import most_frequent
from alignment.queries import Judgments
from alignment.statistics.aggregation import consensus, fit_one_coin, split_rankings
from alignment.statistics.calibration import Reliability, cross_fitted, reliability
from alignment.statistics.prediction_powered import prediction_powered_mean
from alignment.statistics.verdicts import MISSING, TIE, Codes, Floats
from alignment.surroundings import Surroundings

Json = dict[str, Any]
MOST_FITTED = 50_000  # pairs of responses: an accuracy of .8 is then known to .002
_CREDIT = np.array([1.0, 0.0, 0.5])


class Posterior(NamedTuple):
    """By comparison: the likeliest of the machines' rankings and its ``confidence`` (MISSING and NaN where they say
    nothing), and ``first``, the credit that they give the first of two responses (NaN where there are not two)."""

    codes: Codes
    confidence: Floats
    first: Floats

    def kept(self, mask: Any) -> "Posterior":
        return Posterior(self.codes[mask], self.confidence[mask], self.first[mask])


def machines_posterior(judgments: Judgments) -> Posterior:
    """One-coin Dawid–Skene of the machines' verdicts alone: no person has a say in it."""
    item, rater, code = judgments.verdict_rows(~judgments.people)
    count, raters = judgments.count, len(judgments.raters)
    if not len(item):
        nothing = np.full(count, np.nan)
        return Posterior(np.full(count, MISSING, dtype=np.int64), nothing, nothing)
    split = split_rankings(item, code, judgments.rankings, count)
    fitted = _drawn(split.n_pairs)[split.pairs]
    model = fit_one_coin(split.pairs[fitted], rater[split.rows][fitted], split.labels[fitted], raters)
    likeliest = consensus(model, item, rater, code, split, count)
    pair = code <= TIE
    chances = model.posterior(item[pair], rater[pair], code[pair], count)
    first = np.full(count, np.nan)
    first[item[pair]] = (chances @ _CREDIT)[item[pair]]
    return Posterior(likeliest.codes, likeliest.confidence, first)


def _drawn(pairs: int) -> Any:
    """Which pairs of responses the machines' accuracies are fitted on: MOST_FITTED of them, drawn at random."""
    drawn = np.zeros(pairs, dtype=np.bool_)
    drawn[np.random.default_rng(0).permutation(pairs)[:MOST_FITTED]] = True
    return drawn


def reliability_entry(part: Judgments, said: Posterior, majority: Codes, slice_name: str) -> Json:
    """Whether the machines' confidence keeps its word with people, as it is and calibrated on other prompts."""
    met = (said.codes != MISSING) & (majority != MISSING)
    confidence, prompts = said.confidence[met], part.prompts[met]
    right = (said.codes == majority)[met].astype(np.float64)
    raw = reliability(confidence, right, prompts)
    fitted = len(np.unique(prompts)) >= 10  # enough for each fold to be fitted on others
    calibrated = reliability(cross_fitted(confidence, right, prompts), right, prompts) if fitted else None
    return {
        "slice": slice_name,
        "machines": int((~part.people).sum()),
        "raw": _reliability(raw),
        "calibrated": _reliability(calibrated) if calibrated else None,
        "excluded": int((said.codes != MISSING).sum() - met.sum()),
    }


def _reliability(found: Reliability) -> Json:
    bins = [
        {"from": each.low, "to": each.high, "confidence": each.confidence, "right": each.right.as_json()}
        for each in found.bins
    ]
    return {"bins": bins, "ece": found.ece.as_json(), "brier": found.brier.as_json()}


def win_rate_entries(
    part: Judgments, around: Surroundings, said: Posterior, slice_name: str
) -> Iterator[Json]:
    """How often people prefer each model's response to another model's, ties half, with the machines' help."""
    people = _people_credit(part)
    for source in most_frequent(around).tolist():
        mine = around.source == source
        one = mine[:, 0] ^ mine[:, 1]
        credit, guess = (np.where(mine[:, 0], each, 1 - each) for each in (people, said.first))
        both = one & ~np.isnan(credit) & ~np.isnan(guess)
        alone = one & np.isnan(credit) & ~np.isnan(guess)
        if not both.any():
            continue
        found = prediction_powered_mean(
            credit[both], guess[both], part.prompts[both], guess[alone], part.prompts[alone]
        )
        yield {
            "source": around.sources[source],
            "slice": slice_name,
            "estimate": found.estimate.as_json(),
            "people_only": found.people_only.as_json(),
            "tuning": found.tuning,
            "effective_n": found.effective_n,
            "people": int(both.sum()),
            "machines_alone": int(alone.sum()),
            "excluded": int((one & ~both & ~alone).sum()),
            "variance": float(np.var(credit[both])),
            "correlation": _correlation(credit[both], guess[both]),
        }


def _people_credit(part: Judgments) -> Floats:
    """By comparison of two responses, the mean credit that people give the first; NaN where nobody gave a verdict."""
    item, _, code = part.verdict_rows(part.people)
    pair = code <= TIE
    n = np.bincount(item[pair], minlength=part.count)
    with np.errstate(invalid="ignore"):
        credit: Floats = np.bincount(item[pair], _CREDIT[code[pair]], minlength=part.count) / n
    return credit


def _correlation(one: Floats, two: Floats) -> float | None:
    if len(one) < 2 or one.std() == 0 or two.std() == 0:
        return None
    return float(np.corrcoef(one, two)[0, 1])
