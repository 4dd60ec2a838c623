"""What an agreement report measures: judgments in, one JSON body out. Reads and writes no row.

Every statistic in the body is ``{value, low, high, n}``, or ``{value: null, n, reason}`` where undefined;
``excluded`` counts what was asked for but gave no verdict. Raters stand in the body by name.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse

from alignment.policy.certificates import gather
from alignment.policy.document import PolicyDocument
from alignment.policy.verdicts import ALL, Mask
from alignment.queries import OUTCOMES, Judgments
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.agreement import compare_verdicts, symmetric_kappa
from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.ceiling import human_ceiling
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, Codes
from feedback.models import Outcome

Json = dict[str, Any]


def report_body(judgments: Judgments, alive: Callable[[], None]) -> Json:
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
        "pairs": _collected(_pairs(judgments), alive),
        "judges": [],
        "ceiling": [],
    }
    for name in judgments.slice_names:
        part = judgments if name == ALL else judgments.within(name)
        body["judges"] += _collected(_judges(part, name), alive)
        body["ceiling"] += _collected(_ceiling(part, name), alive)
    return body


def _collected(found: Iterator[Json], alive: Callable[[], None]) -> list[Json]:
    entries = []
    for entry in found:
        alive()
        entries.append(entry)
    return entries


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


def _pairs(judgments: Judgments) -> Iterator[Json]:
    """Every two raters who were asked about a comparison in common."""
    said = [judgments.of(number) for number in range(len(judgments.names))]
    for first, second in _overlapping(judgments):
        shared, one, two = np.intersect1d(
            said[first][0], said[second][0], assume_unique=True, return_indices=True
        )
        agreement = _between(said[first][1][one], said[second][1][two], judgments.prompts[shared])
        yield {"a": judgments.names[first], "b": judgments.names[second], "slice": ALL, **agreement}


def _overlapping(judgments: Judgments) -> list[tuple[int, int]]:
    shape = (judgments.count, len(judgments.raters))
    ones = np.ones(len(judgments.rater), dtype=np.int64)
    asked = sparse.csr_array((ones, (judgments.comparison, judgments.rater)), shape=shape)
    first, second = sparse.triu(asked.T @ asked, k=1).nonzero()
    return sorted(zip(first.tolist(), second.tolist(), strict=True))


def _between(first: Codes, second: Codes, prompts: Codes) -> Json:
    found = compare_verdicts(first, second, prompts)
    return {
        "n": found["agreement"].n,
        **{name: statistic.as_json() for name, statistic in found.items()},
        "symmetric_kappa": _symmetric(first, second, prompts).as_json(),
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
        for person in test["annotators"]:
            person["rater"] = part.names[person["rater"]]
        ceiling = human_ceiling(*said, part.verdicts_of(number), part.prompts)
        kappa = _symmetric(part.verdicts_of(number)[asked], majority[asked], part.prompts[asked])
        yield {
            "judge": part.names[number],
            "slice": slice_name,
            **test,
            "agreement": evidence.agreement.as_json(),
            "symmetric_kappa": kappa.as_json(),
            "human_ceiling": ceiling.as_json(),
        }


def _ceiling(part: Judgments, slice_name: str) -> Iterator[Json]:
    """Each person against the majority of the others: what a judge can be expected to reach."""
    comparison, rater, verdict = part.verdict_rows(part.people)
    for number in np.flatnonzero(part.people).tolist():
        own = part.verdicts_of(number)
        others = (rater != number) & (own[comparison] != MISSING)
        majority = majority_vote(comparison[others], verdict[others], part.count)
        decided = (own != MISSING) & (majority != MISSING)
        if decided.any():
            against = _between(own[decided], majority[decided], part.prompts[decided])
            yield {"rater": part.names[number], "slice": slice_name, **against}
