"""What policies know besides judgments: facts about raters, and on what ground people were asked. Reads the store."""

import numpy as np

from alignment.drift import drifts
from alignment.models import Asking, PersonMeasure
from alignment.policy.study import Study
from alignment.policy.verdicts import Ground, RaterFacts
from alignment.queries import OUTCOMES, Judgments
from alignment.statistics.verdicts import Codes
from feedback.models import Outcome, Project
from judges.models import Judge
from judges.queries import attack_results

_GROUNDS = {"drawn": Ground.DRAWN, "slice": Ground.SLICE, "gain": Ground.GAIN}


def study_of(project: Project, judgments: Judgments) -> Study:
    """The judgments with all that is known of their raters."""
    ground = grounds_of(project, judgments.comparison_ids)
    return Study(judgments, facts_of(project, judgments, ground), ground)


def grounds_of(project: Project, comparison_ids: Codes) -> Codes:
    """The ground (see ``Ground``) of each comparison."""
    rows = Asking.objects.filter(comparison__project=project).values_list("comparison_id", "ground")
    known = dict(rows.iterator(chunk_size=5000))
    ground = np.full(len(comparison_ids), Ground.OTHER, dtype=np.int64)
    if known:
        asked = np.fromiter(known, np.int64, len(known))
        codes = np.array([_GROUNDS[name] for name in known.values()], dtype=np.int64)
        order = np.argsort(asked)
        place = np.minimum(np.searchsorted(asked[order], comparison_ids), len(asked) - 1)
        found = asked[order][place] == comparison_ids
        ground[found] = codes[order][place][found]
    return ground


def facts_of(project: Project, judgments: Judgments, ground: Codes) -> list[RaterFacts]:
    """What is known of each of the raters; ``ground`` is by comparison. A person's figures are those last measured."""
    figures = dict(PersonMeasure.objects.filter(rater__project=project).values_list("rater_id", "figures"))
    judges = {judge.pk: judge for judge in Judge.objects.filter(project=project)}
    drifted = drifts(project, judgments, ground != Ground.GAIN)
    facts = []
    for number, rater in enumerate(judgments.raters):
        judge = judges.get(rater.pk)
        person = figures.get(rater.pk, {})
        attacked = attack_results(judge) if judge else None
        facts.append(
            RaterFacts(
                family=judge.family if judge else "",
                gold=person.get("gold", {}).get("value"),
                alpha=person.get("others", {}).get("value"),
                attack_rate=attacked.rate["value"] if attacked else None,
                consistency={} if judgments.people[number] else _consistency(judgments, number, judge),
                drift=drifted.get(number),
            )
        )
    return facts


def _consistency(judgments: Judgments, judge: int, configured: Judge | None) -> dict[str, float]:
    """By slice, of the comparisons on which every call gave a verdict, the share on which they agree."""
    ranked, apart = OUTCOMES.index(Outcome.RANKED), OUTCOMES.index(Outcome.INCONSISTENT)
    rows = (judgments.rater == judge) & np.isin(judgments.outcome, (ranked, apart))
    outcome, comparison = judgments.outcome[rows], judgments.comparison[rows]
    asked_twice = configured is not None and configured.both_orders
    if not asked_twice and not (outcome == apart).any():
        return {}
    found = {}
    for name in judgments.slice_names:
        within = outcome[judgments.mask(name)[comparison]]
        if len(within):
            found[name] = float((within == ranked).mean())
    return found
