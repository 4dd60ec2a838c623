"""What an agreement report says of a judge's biases: position, length, its own family, leniency. Part of ``measures``.

Every function takes one slice's judgments and what surrounds them; statistics are as ``measures`` has them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignment.queries import OUTCOMES, Judgments
from alignment.statistics.bias import credit_gap, length_bias, leniency, own_family, position_bias, sign_test
from alignment.statistics.intervals import cluster_share
from alignment.statistics.ranking import ELO, Disconnected, bradley_terry
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, Codes
from alignment.surroundings import Surroundings
from feedback.models import Outcome

Json = dict[str, Any]
PEOPLE = "people"  # their majority, where a rater's name stands else
MOST_SOURCES = 40  # models that are ranked: those with most responses


def bias_entries(part: Judgments, around: Surroundings, majority: Codes, slice_name: str) -> Iterator[Json]:
    """An entry for each machine with a judgment in the slice; ``majority`` is the people's, by comparison."""
    for number in np.flatnonzero(~part.people).tolist():
        if not (part.rater == number).any():
            continue
        verdicts = _on_pairs(part.given_by(number), around)
        people = _on_pairs(majority, around)
        yield {
            "judge": part.names[number],
            "slice": slice_name,
            "position": _position(part, around, number),
            "length": _length(verdicts, people, part.prompts, around),
            "family": _own_family(verdicts, people, part.prompts, around, number),
            "leniency": _leniency(part, around, number),
        }


def ranking_entries(
    part: Judgments, around: Surroundings, majority: Codes, slice_name: str
) -> Iterator[Json]:
    """Models ranked by the people's majority and by each machine, as they stand and with length held equal."""
    shown = most_frequent(around)
    yield _ranking(_on_pairs(majority, around), part.prompts, around, shown) | {
        "rater": PEOPLE,
        "slice": slice_name,
    }
    for number in np.flatnonzero(~part.people).tolist():
        verdicts = _on_pairs(part.given_by(number), around)
        if (verdicts != MISSING).any():
            found = _ranking(verdicts, part.prompts, around, shown)
            yield found | {"rater": part.names[number], "slice": slice_name}


def _on_pairs(verdicts: Codes, around: Surroundings) -> Codes:
    """The verdicts on comparisons of two responses; MISSING on all others."""
    pair = around.source[:, 0] != MISSING
    return np.where(pair & (verdicts <= TIE), verdicts, MISSING).astype(np.int64)


def _position(part: Judgments, around: Surroundings, number: int) -> Json:
    """Consistency from all outcomes; the side preferred from calls in both orders, or from the order that was shown."""
    consistency = _consistency(part, around, number)
    if number in around.orders:
        drawn = around.orders[number]
        found = position_bias(drawn.as_given, drawn.turned, part.prompts[drawn.comparison])
        return {
            "basis": "both orders",
            "consistency": consistency.as_json(),
            "first_shown": found.first_shown.as_json(),
            "primacy": found.primacy,
            "recency": found.recency,
            "p": found.p,
            "drawn": len(drawn.comparison),
        }
    return {"basis": "order shown", "consistency": consistency.as_json()} | _one_order(part, around, number)


def _consistency(part: Judgments, around: Surroundings, number: int) -> Statistic:
    rows = part.rater == number
    if not around.twice[number]:
        return Statistic.undefined("each comparison was asked in one order", 0)
    ranked, inconsistent = (
        part.outcome[rows] == OUTCOMES.index(outcome) for outcome in (Outcome.RANKED, Outcome.INCONSISTENT)
    )
    decided = ranked | inconsistent
    credits = ranked[decided].astype(np.float64)
    prompts = part.prompts[part.comparison[rows][decided]]
    return cluster_share(credits, prompts, excluded=int((~decided).sum()))


def _one_order(part: Judgments, around: Surroundings, number: int) -> Json:
    """How often the response shown first won, over verdicts whose order is known; responses are shown at random."""
    rows = part.rater == number
    verdict, shown = part.verdict[rows], around.shown[rows]
    known = (shown != MISSING) & (verdict != MISSING) & (verdict <= TIE)
    verdict, shown, prompts = verdict[known], shown[known], part.prompts[part.comparison[rows][known]]
    credit = np.where(verdict == TIE, 0.5, verdict == shown).astype(np.float64)
    share = cluster_share(credit, prompts, excluded=int((~known).sum()))
    if not len(credit):
        share = Statistic.undefined(
            "the order in which responses were shown is not known", 0, int(rows.sum())
        )
    lean = np.bincount(prompts, 2 * credit - 1) if len(prompts) else np.zeros(0)
    primacy, recency = int((lean > 1e-9).sum()), int((lean < -1e-9).sum())
    p = sign_test(primacy, recency)
    return {"first_shown": share.as_json(), "primacy": primacy, "recency": recency, "p": p, "drawn": None}


def _length(verdicts: Codes, people: Codes, prompts: Codes, around: Surroundings) -> Json:
    """Preference against length, beside the people's on the same rows. Empty texts have no ratio and are left out."""
    usable = np.nan_to_num(around.lengths).min(axis=1) > 0
    first, second = around.lengths[usable].T
    said, theirs, clusters = verdicts[usable], people[usable], prompts[usable]
    asked = said != MISSING
    found = length_bias(said[asked], first[asked], second[asked], clusters[asked])
    longer = np.where(first > second, FIRST, np.where(second > first, SECOND, MISSING))
    both = (said != MISSING) & (theirs != MISSING)
    gap = credit_gap(said[both], theirs[both], longer[both], clusters[both])
    return {
        "longer": found.longer.as_json(),
        "slope": found.slope.as_json(),
        "curve": [{"from": low, "to": high, "share": share.as_json()} for low, high, share in found.curve],
        **_gap(gap),
    }


def _gap(gap: Any) -> Json:
    return {"same_rows": {name: statistic.as_json() for name, statistic in gap._asdict().items()}}


def _own_family(verdicts: Codes, people: Codes, prompts: Codes, around: Surroundings, number: int) -> Json:
    family = around.families[number]
    if not family:
        unknown = Statistic.undefined("it is not known who made its model", 0).as_json()
        return {"family": "", "same_rows": dict.fromkeys(("judge", "people", "difference"), unknown)}
    sides = own_family(family, *(_makers(around, side) for side in (0, 1)))
    both = (verdicts != MISSING) & (people != MISSING)
    return {"family": family, **_gap(credit_gap(verdicts[both], people[both], sides[both], prompts[both]))}


def _makers(around: Surroundings, side: int) -> list[str]:
    """The maker of each comparison's first or second response; "" where unknown."""
    makers = [*around.makers, ""]
    return [makers[source] for source in around.source[:, side].tolist()]


def _leniency(part: Judgments, around: Surroundings, number: int) -> list[Json]:
    """The judge's levels beside the people's mean level of the same response on the same criterion."""
    scores = around.scores
    rows, by_people = scores.rater == number, part.people[scores.rater]
    if not rows.any():
        return []
    width, depth = len(scores.criteria), int(scores.position.max()) + 1
    cell = (scores.comparison * width + scores.criterion) * depth + scores.position
    cells, place = np.unique(cell, return_inverse=True)
    given = np.bincount(place, by_people, minlength=len(cells))
    total = np.bincount(place, by_people * scores.value, minlength=len(cells))
    with np.errstate(invalid="ignore"):
        people = (total / given)[place]  # NaN where no person scored it
    prompts = part.prompts[scores.comparison[rows]]
    found = leniency(scores.value[rows], people[rows], scores.criterion[rows], prompts)
    return [
        {"criterion": scores.criteria[code], "difference": statistic.as_json()}
        for code, statistic in found.items()
    ]


def most_frequent(around: Surroundings) -> Codes:
    """The sources with most responses in pairs, ascending."""
    counts = np.bincount(around.source[around.source != MISSING], minlength=len(around.sources))
    most = np.argsort(-counts, kind="stable")[:MOST_SOURCES]
    return np.sort(most[counts[most] > 0])


def _ranking(verdicts: Codes, prompts: Codes, around: Surroundings, shown: Codes) -> Json:
    """Strengths in points of the Elo scale; ``length`` is what a standard deviation of the length's difference adds."""
    place = np.full(len(around.sources) + 1, MISSING, dtype=np.int64)
    place[shown] = np.arange(len(shown))
    one, two = place[around.source].T
    rows = (verdicts != MISSING) & (one != MISSING) & (two != MISSING) & (one != two)
    length = np.maximum(around.lengths.sum(axis=1), 1)
    style = ((around.lengths[:, 0] - around.lengths[:, 1]) / length)[rows, None]
    met = np.unique(np.concatenate([one[rows], two[rows]]))
    if len(met) < 2:
        return {"sources": [], "n": 0, "reason": "no two models were compared"}
    first, second = np.searchsorted(met, one[rows]), np.searchsorted(met, two[rows])
    table = (first, second, verdicts[rows], prompts[rows])
    try:
        plain = bradley_terry(*table, n_models=len(met))
        controlled = bradley_terry(*table, n_models=len(met), styles=style) if style.std() else plain
    except Disconnected as error:
        parts = f"{len(error.parts)} groups of models were never compared with each other"
        return {"sources": [], "n": int(rows.sum()), "reason": parts}
    names = [around.sources[shown[model]] for model in met.tolist()]
    return {
        "sources": [
            {
                "source": name,
                "plain": _points(plain.strengths[model]),
                "controlled": _points(controlled.strengths[model]),
                "rank": [controlled.best[model], controlled.worst[model]],
            }
            for model, name in enumerate(names)
        ],
        "length": _points(controlled.styles[0])
        if controlled.styles
        else Statistic.undefined("lengths never differ", int(rows.sum())).as_json(),
        "n": int(rows.sum()),
    }


def _points(strength: Statistic) -> Json:
    """On the Elo scale, where 400 points are odds of ten to one."""
    ends = (strength.value, strength.low, strength.high)
    known = [float(ELO * end) for end in ends if end is not None and np.isfinite(end)]
    if len(known) < len(ends):
        return Statistic.undefined("too little variation to fit", strength.n).as_json()
    value, low, high = known
    return Statistic(value, low, high, strength.n, strength.reason, strength.excluded).as_json()
