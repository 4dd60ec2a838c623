"""What an agreement report measures: judgments and what surrounds them in, one JSON body out. Reads and writes no row.

Every statistic in the body is ``{value, low, high, n}``, or ``{value: null, n, reason}`` where undefined;
``excluded`` counts what was asked for but gave no verdict. Raters stand in the body by name. Each section is a list
with an entry a slice and rater, pair or model.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy import sparse

from alignment.actions.bias_measures import bias_entries, ranking_entries
from alignment.actions.drift_measures import drift_entries
from alignment.actions.posterior_measures import (
    Posterior,
    machines_posterior,
    reliability_entry,
    win_rate_entries,
)
from alignment.policy.certificates import gather
from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import ALL, Mask
from alignment.queries import OUTCOMES, Judgments
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import compare_verdicts, symmetric_kappa
from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.alt_test import benjamini_yekutieli, labels_needed
from alignment.statistics.ceiling import human_ceiling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, Codes
from alignment.surroundings import Surroundings
from feedback.models import Outcome

Json = dict[str, Any]
MOST_IN_MATRIX = 16  # raters
SECTIONS = ("pairs", "judges", "ceiling", "bias", "rankings", "reliability", "win_rates", "drift")


def report_body(judgments: Judgments, around: Surroundings, alive: Callable[[], None]) -> Json:
    """Everything an agreement report says; the same judgments give the same body on every machine.

    ``alive`` is called every few seconds at most, so that a lease can be renewed.
    """
    body: Json = {
        "comparisons": judgments.count,
        "judgments": len(judgments.judgment_ids),
        "prompts": len(np.unique(judgments.prompts)),
        "slices": {name: int(judgments.mask(name).sum()) for name in judgments.slice_names},
        "raters": [_rater(judgments, number) for number in range(len(judgments.raters))],
        "majority": _majority_counts(judgments),
        "groups": {
            "people": _alpha(judgments, judgments.people),
            "all": _alpha(judgments, np.ones_like(judgments.people)),
        },
        **{section: [] for section in SECTIONS},
    }
    posterior = machines_posterior(judgments)
    for name in judgments.slice_names:
        for section, entry in _slice(judgments, around, posterior, name):
            body[section].append(entry)
            alive()
    _decide_together(body["judges"], PolicyDocument().q)
    return body


def _slice(
    judgments: Judgments, around: Surroundings, posterior: Posterior, name: str
) -> Iterator[tuple[str, Json]]:
    """The entries of one slice, each with the section that it belongs to."""
    if name != ALL:
        around = around.within(judgments, name)
        posterior = posterior.kept(judgments.mask(name))
        judgments = judgments.within(name)
    majority = people_majority(judgments)
    found: dict[str, Iterable[Json]] = {
        "pairs": _pairs(judgments, name),
        "judges": _judges(judgments, name),
        "ceiling": _ceiling(judgments, name),
        "bias": bias_entries(judgments, around, majority, name),
        "rankings": ranking_entries(judgments, around, majority, name),
        "reliability": [reliability_entry(judgments, posterior, majority, name)],
        "win_rates": win_rate_entries(judgments, around, posterior, name),
        "drift": drift_entries(judgments, around, majority, name),
    }
    for section, entries in found.items():
        yield from ((section, entry) for entry in entries)


def people_majority(judgments: Judgments) -> Codes:
    """By comparison, the verdict of more than half of the people who gave one, or MISSING."""
    comparison, _, verdict = judgments.verdict_rows(judgments.people)
    return majority_vote(comparison, verdict, judgments.count)


def _rater(judgments: Judgments, number: int) -> Json:
    name, rater = judgments.names[number], judgments.raters[number]
    outcomes = np.bincount(judgments.outcome[judgments.rater == number], minlength=len(OUTCOMES)).tolist()
    by_outcome = {outcome: n for outcome, n in zip(OUTCOMES, outcomes, strict=True) if n}
    ranked = by_outcome.pop(Outcome.RANKED.value, 0)
    return {
        "name": name,
        "kind": rater.kind,
        "simulated": rater.simulated,
        "ranked": ranked,
        "missing": by_outcome,
    }


def _majority_counts(judgments: Judgments) -> Json:
    """How the people decided, over the comparisons that have a person's verdict."""
    asked = np.unique(judgments.verdict_rows(judgments.people)[0])
    majority = people_majority(judgments)[asked]
    counts = {"first": FIRST, "second": SECOND, "tie": TIE, "none": MISSING}
    found: Json = {name: int((majority == code).sum()) for name, code in counts.items()}
    longer = int((majority > TIE).sum())
    return found | ({"longer": longer} if longer else {})


def _alpha(judgments: Judgments, raters: Mask) -> Json:
    comparison, _, verdict = judgments.verdict_rows(raters)
    prompts = judgments.prompts[comparison]
    return {"krippendorff_alpha": krippendorff_alpha(comparison, verdict, prompts, level="nominal").as_json()}


def _pairs(judgments: Judgments, slice_name: str) -> Iterator[Json]:
    """Every two raters who were asked about a comparison in common; on a tag's slice, of the busiest MOST_IN_MATRIX."""
    said = [judgments.of(number) for number in range(len(judgments.names))]
    busiest = set(sorted(range(len(said)), key=lambda number: -len(said[number][0]))[:MOST_IN_MATRIX])
    for first, second in _overlapping(judgments):
        if slice_name != ALL and not {first, second} <= busiest:
            continue
        shared, one, two = np.intersect1d(
            said[first][0], said[second][0], assume_unique=True, return_indices=True
        )
        agreement = _between(said[first][1][one], said[second][1][two], judgments.prompts[shared])
        yield {"a": judgments.names[first], "b": judgments.names[second], "slice": slice_name, **agreement}


def _overlapping(judgments: Judgments) -> list[tuple[int, int]]:
    shape = (judgments.count, len(judgments.raters))
    ones = np.ones(len(judgments.rater), dtype=np.int64)
    asked = sparse.csr_array((ones, (judgments.comparison, judgments.rater)), shape=shape)
    first, second = sparse.triu(asked.T @ asked, k=1).nonzero()
    return sorted(zip(first.tolist(), second.tolist(), strict=True))


def _between(first: Codes, second: Codes, prompts: Codes) -> Json:
    found = compare_verdicts(first, second, prompts)
    if "symmetric_kappa" not in found:
        found["symmetric_kappa"] = _symmetric(first, second, prompts)
    return {
        "n": found["agreement"].n,
        **{name: statistic.as_json() for name, statistic in found.items()},
    }


def _symmetric(first: Codes, second: Codes, prompts: Codes) -> Statistic:
    """Symmetric kappa over the comparisons of two responses: it is not defined for longer rankings."""
    pairs = (first <= TIE) & (second <= TIE)
    if len(pairs) and not pairs.any():
        return Statistic.undefined("only for comparisons of two responses", 0)
    return symmetric_kappa(first[pairs], second[pairs], prompts[pairs])


def _judges(part: Judgments, slice_name: str) -> Iterator[Json]:
    """Each machine against the people of one slice, wherever it was asked there."""
    majority = people_majority(part)
    said = part.verdict_rows(part.people)
    for number in np.flatnonzero(~part.people).tolist():
        asked, _ = part.of(number)
        if not len(asked):
            continue
        evidence = gather(PolicyDocument(), part, number, ALL)
        test = evidence.test.as_json()
        for person, tested in zip(test["annotators"], evidence.test.annotators, strict=True):
            person |= {"rater": part.names[tested.rater], "difference": tested.difference}
        needed = labels_needed(evidence.test, q=PolicyDocument().q)
        ceiling = human_ceiling(*said, part.given_by(number), part.prompts)
        kappa = _symmetric(part.given_by(number)[asked], majority[asked], part.prompts[asked])
        yield {
            "judge": part.names[number],
            "slice": slice_name,
            **test,
            "labels_needed": needed._asdict() if needed else None,
            "agreement": evidence.agreement.as_json(),
            "symmetric_kappa": kappa.as_json(),
            "human_ceiling": ceiling.as_json(),
        }


def _decide_together(entries: list[Json], q: float) -> None:
    """Mark, for each judge, the people whom it may replace with one false discovery rate over all its slices.

    A judge that is tried on twenty slices would otherwise pass on one by luck (``alt_test.across``).
    """
    by_judge: dict[str, list[Json]] = {}
    for entry in entries:
        tested = [person for person in entry["annotators"] if person["p"] is not None]
        by_judge.setdefault(entry["judge"], []).extend(tested)
        for person in entry["annotators"]:
            person["rejected_across"] = False
    for people in by_judge.values():
        p = np.array([person["p"] for person in people], dtype=np.float64)
        for person, rejected in zip(people, benjamini_yekutieli(p, q) if len(p) else (), strict=True):
            person["rejected_across"] = bool(rejected)
    for entry in entries:
        tested = [person["rejected_across"] for person in entry["annotators"] if person["p"] is not None]
        decided = entry["winning_rate"] is not None
        entry["winning_rate_across"] = sum(tested) / len(tested) if decided else None


def _ceiling(part: Judgments, slice_name: str) -> Iterator[Json]:
    """Each person against the majority of the others: what a judge can be expected to reach."""
    comparison, rater, verdict = part.verdict_rows(part.people)
    for number in np.flatnonzero(part.people).tolist():
        own = part.given_by(number)
        others = (rater != number) & (own[comparison] != MISSING)
        majority = majority_vote(comparison[others], verdict[others], part.count)
        decided = (own != MISSING) & (majority != MISSING)
        if decided.any():
            against = _between(own[decided], majority[decided], part.prompts[decided])
            yield {"rater": part.names[number], "slice": slice_name, **against}
