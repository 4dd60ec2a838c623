"""What an evaluation says: win rates by everybody who judged, each with interval, n and exclusions, by slice and whole.

It is computed when the judges have answered, and anew whenever people have said more.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from alignment.statistics.intervals import cluster_share
from alignment.statistics.not_worse import not_worse
from alignment.statistics.prediction_powered import PredictionPowered, prediction_powered_mean
from alignment.statistics.results import Statistic
from alignment.statistics.style_control import style_controlled_win_rate
from alignment.statistics.verdicts import MISSING
from alignment.statistics.win_rate import win_rate
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import JobState, Outcome, RaterKind
from feedback.people import Person
from trainer.actions.evaluations import ask_judges
from trainer.actions.graded import best_of, classified, pass_rates, reward_means
from trainer.held_out import Item, trained_on
from trainer.models import Evaluation
from trainer.pairs import CREDIT, Pair, pairs_of
from trainer.queries import trusted_judges

logger = logging.getLogger(__name__)
WATCHED_FOR = timedelta(days=30)  # how long the sweep looks for people's verdicts; later, somebody asks
MARGIN = 0.05  # of a win rate: how much worse a regression set may be and still count as not worse
Credit = Callable[[Pair], float | None]


def advance_evaluations() -> None:
    """For the sweep: ask judges that were busy, measure where all have answered or people have said more."""
    since = timezone.now() - WATCHED_FOR
    unmeasured = Q(result__isnull=True, job__state=JobState.SUCCEEDED)
    watched = Q(result__isnull=False, people_pairs__gt=0, created_at__gte=since)
    for evaluation in Evaluation.objects.filter(unmeasured | watched):
        try:
            _advance(evaluation)
        except Exception:  # whatever is wrong with one, the others go on
            logger.exception("Evaluation %s can not be measured", evaluation.pk)


def _advance(evaluation: Evaluation) -> None:
    if evaluation.result is not None:
        moved = people_verdicts(evaluation) != evaluation.result.get("people", {}).get("verdicts")
    else:
        ask_judges(evaluation)
        moved = judges_have_answered(evaluation)
    if moved:
        finish_evaluation(evaluation=evaluation, by=None)


def judges_have_answered(evaluation: Evaluation) -> bool:
    """Whether the run of every judge has succeeded."""
    succeeded = evaluation.judge_runs.filter(job__state=JobState.SUCCEEDED)
    return succeeded.count() == evaluation.judges.count()


def people_verdicts(evaluation: Evaluation) -> int:
    """How many verdicts people have given on its pairs."""
    said = Q(
        judgments__current=True,
        judgments__adjudicates=False,
        judgments__outcome=Outcome.RANKED,
        judgments__rater__kind=RaterKind.HUMAN,
    )
    counted = evaluation.comparisons.aggregate(n=Count("judgments", filter=said))
    return int(counted["n"])


def finish_evaluation(*, evaluation: Evaluation, by: Person) -> Evaluation:
    """Compute the result from the verdicts there are. Refused where the comparisons are not there yet."""
    pairs = list(pairs_of(evaluation))
    if not pairs:
        raise Refused(
            _("There is no comparison to evaluate yet; wait until the responses have been sampled.")
        )
    evaluation.result = {**_by_judges(evaluation, pairs), **_by_others(evaluation, pairs)}
    with transaction.atomic():
        evaluation.save(update_fields=["result"])
        record(by=by, verb="finish evaluation", target=evaluation, project=evaluation.model_version.project)
    return evaluation


def _by_judges(evaluation: Evaluation, pairs: Sequence[Pair]) -> dict[str, Any]:
    verdicts = np.array([pair.verdict for pair in pairs])
    prompts = _prompts(pairs)
    outcomes = Counter(pair.outcome for pair in pairs)
    ours, theirs = ([len(text.split()) for text in texts] for texts in _texts(pairs))
    controlled = style_controlled_win_rate(verdicts, prompts, ours, theirs)
    return {
        "win_rate": win_rate(verdicts, prompts).as_json(),
        "style_controlled": controlled.as_json(),
        "coverage": cluster_share((verdicts != MISSING).astype(float), prompts).as_json(),
        "judge": ", ".join(sorted(str(judge) for judge in evaluation.judges.all())),
        "uncertified": _uncertified(evaluation),
        "pairs": len(pairs),
        "wins": outcomes["win"],
        "ties": outcomes["tie"],
        "losses": outcomes["loss"],
        "identical": sum(pair.identical for pair in pairs),
        "without_verdict": outcomes["none"],
        "split": outcomes["split"],
        "words": {"model": float(np.mean(ours)), "base": float(np.mean(theirs))},
    }


def _uncertified(evaluation: Evaluation) -> list[str]:
    """The judges whom the project's newest labelling does not trust on all comparisons."""
    trusted = trusted_judges(evaluation.model_version.project)
    return sorted(str(judge) for judge in evaluation.judges.all() if judge not in trusted)


def _by_others(evaluation: Evaluation, pairs: Sequence[Pair]) -> dict[str, Any]:
    powered = _powered(pairs)
    return {
        "people": {
            "drawn": sum(pair.sampled for pair in pairs),
            "answered": sum(pair.by_people is not None for pair in pairs),
            "verdicts": people_verdicts(evaluation),
            "win_rate": _rate(pairs, lambda pair: pair.by_people, among=lambda pair: pair.sampled).as_json(),
        },
        "prediction_powered": {
            "win_rate": powered.estimate.as_json(),
            "tuning": powered.tuning,
            "effective_n": powered.effective_n,
        },
        "raters": _each_rater(pairs),
        "slices": _slices(pairs),
        "regression": _regression(evaluation, pairs),
        "graders": pass_rates(evaluation),
        "classification": classified(evaluation),
        "rewards": reward_means(evaluation),
        "best_of_n": best_of(evaluation),
    }


def _prompts(pairs: Iterable[Pair]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """The cluster of each pair."""
    return np.array([pair.prompt.pk for pair in pairs], dtype=np.int64)


def _texts(pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    return [pair.model_text for pair in pairs], [pair.base_text for pair in pairs]


def _rate(pairs: Iterable[Pair], credit: Credit, among: Callable[[Pair], bool] = lambda _: True) -> Statistic:
    """The mean credit of the pairs that have one; ``among`` says which of them should."""
    asked = [pair for pair in pairs if among(pair)]
    known = [pair for pair in asked if credit(pair) is not None]
    if not known:
        return Statistic.undefined("no data", 0, len(asked))
    return cluster_share(_credits(known, credit), _prompts(known), excluded=len(asked) - len(known))


def _credits(pairs: Iterable[Pair], credit: Credit) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """NaN where there is none."""
    return np.array([credit(pair) for pair in pairs], dtype=np.float64)


def _powered(pairs: Sequence[Pair]) -> PredictionPowered:
    """People's and the judges' together: the judges' on all pairs, people's on those that were drawn and answered.

    Where the judges have no majority their prediction is ½: any prediction will do, since people's verdicts correct it,
    and leaving such pairs out would answer for other pairs than all.
    """
    both = [pair for pair in pairs if pair.by_people is not None]
    rest = [pair for pair in pairs if not pair.sampled]
    found = prediction_powered_mean(
        _credits(both, lambda pair: pair.by_people),
        _credits(both, _predicted),
        _prompts(both),
        _credits(rest, _predicted),
        _prompts(rest),
    )
    unanswered = len(pairs) - len(both) - len(rest)
    return found._replace(estimate=replace(found.estimate, excluded=unanswered))


def _predicted(pair: Pair) -> float:
    return 0.5 if pair.judged is None else pair.judged


def _each_rater(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Each judge and reward model by itself."""
    found = []
    for kind, said in (("judge", "judges"), ("reward_model", "rewards")):
        names = sorted({name for pair in pairs for name in getattr(pair, said)})
        for name in names:
            rate = _rate(pairs, partial(_credit_of, said, name))
            found.append({"kind": kind, "name": name, "win_rate": rate.as_json()})
    return found


def _credit_of(said: str, name: str, pair: Pair) -> float | None:
    if pair.identical:
        return 0.5
    verdict = getattr(pair, said).get(name)
    return None if verdict is None else CREDIT[verdict]


def _slices(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Each tag's pairs by judges and people; a slice is every pair whose prompt has the tag."""
    found = []
    for tag in sorted({tag for pair in pairs for tag in pair.tags}):
        inside = [pair for pair in pairs if tag in pair.tags]
        verdicts = [pair.verdict for pair in inside]
        found.append(
            {
                "slice": tag,
                "pairs": len(inside),
                "win_rate": win_rate(verdicts, _prompts(inside)).as_json(),
                "people": _rate(inside, lambda pair: pair.by_people, lambda pair: pair.sampled).as_json(),
            }
        )
    return found


def _regression(evaluation: Evaluation, pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """The one-sided test on the pairs that must not get worse, by people's credit where there is one, else judges'."""
    if evaluation.regression_tag is None:
        return None
    tag = evaluation.regression_tag.name
    inside = [pair for pair in pairs if tag in pair.tags]
    credits = [pair.judged if pair.by_people is None else pair.by_people for pair in inside]
    known = [(pair, credit) for pair, credit in zip(inside, credits, strict=True) if credit is not None]
    tested = not_worse(
        [credit for _, credit in known],
        _prompts(pair for pair, _ in known),
        margin=MARGIN,
        excluded=len(inside) - len(known),
    )
    return {
        "tag": tag,
        "verdict": tested.verdict,
        "win_rate": tested.win_rate.as_json(),
        "p_worse": tested.p_worse,
        "p_not_worse": tested.p_not_worse,
        "trained_on": _trained_on(evaluation, tag),
        "margin": tested.margin,
    }


def _trained_on(evaluation: Evaluation, tag: str) -> int:
    run = evaluation.model_version.run
    items = [
        Item(prompt, tuple(known["tags"]), known["reference"])
        for prompt, known in zip(evaluation.prompts, evaluation.items, strict=True)
        if tag in known["tags"]
    ]
    return trained_on(run.snapshot if run else None, items)
