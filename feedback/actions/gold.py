"""Gold: comparisons whose answer is known. They leave the queue and the labels, and measure people instead."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.slices import RulesConflict, SliceRules, tags_of
from feedback.actions.slots import join_queue, leave_queue
from feedback.answers import dense_ranks, verdict_problem
from feedback.errors import Refused
from feedback.models import Comparison, GoldAnswer, Judgment, Outcome, Purpose
from feedback.people import Person

USES = (Purpose.GOLD, Purpose.ATTENTION, Purpose.PRACTICE)


def make_gold(
    *, comparison: Comparison, use: str, ranking: tuple[int, ...], by: Person, explanation: str = ""
) -> GoldAnswer:
    """Let a comparison measure people: its known answer is ``ranking``, by canonical position.

    ``use`` is "gold", "attention" or "practice"; practice needs an explanation. One that is gold already is changed.
    What people have said of it stays, and is no label any more. Refused: a ranking that does not rank each response,
    a comparison that evaluates a model, repeats another, or is retired.
    """
    if use not in USES:
        raise Refused(_("A known answer is used as gold, attention or practice."), field="use")
    if use == Purpose.PRACTICE and not explanation.strip():
        raise Refused(
            _("Explain the answer: people learn from practice by reading why."), field="explanation"
        )
    with transaction.atomic():
        locked = Comparison.objects.select_for_update(no_key=True).get(pk=comparison.pk)
        _check_may_be_gold(locked, ranking)
        answer, _made = GoldAnswer.objects.update_or_create(
            comparison=locked, defaults={"ranking": dense_ranks(ranking), "explanation": explanation.strip()}
        )
        Comparison.objects.filter(pk=locked.pk).update(purpose=use)
        leave_queue([locked.pk])
        record(by=by, verb="make gold", target=locked, project=locked.project, use=use)
    comparison.purpose = use
    return answer


def make_gold_of_adjudication(
    *, judgment: Judgment, by: Person, use: str = Purpose.GOLD, explanation: str = ""
) -> GoldAnswer:
    """Let a reviewer's decision be the known answer of its comparison, their reason its explanation.

    Refused: a judgment that decides nothing, or does not count any more.
    """
    if not (judgment.adjudicates and judgment.current and judgment.outcome == Outcome.RANKED):
        raise Refused(
            _("Only a reviewer's decision that stands can become a known answer."), field="judgment"
        )
    return make_gold(
        comparison=judgment.comparison,
        use=use,
        ranking=judgment.ranking,
        explanation=explanation or judgment.rationale,
        by=by,
    )


def remove_gold(*, comparison: Comparison, by: Person) -> None:
    """Forget the known answer: the comparison goes back to the queue, and its judgments count for labels again.

    It asks for as many people as its tags' rules or the project do, and never for fewer than have judged it or hold
    it. Refused: a comparison that has no known answer, tags whose rules conflict.
    """
    with transaction.atomic():
        comparison = (
            Comparison.objects.select_for_update(no_key=True).select_related("project").get(pk=comparison.pk)
        )
        if comparison.purpose not in USES:
            raise Refused(_("This comparison has no known answer."), field="comparison")
        GoldAnswer.objects.filter(comparison=comparison).delete()
        _put_in_queue(comparison)
        record(by=by, verb="remove gold", target=comparison, project=comparison.project)


def retire_gold(*, comparison: Comparison, by: Person) -> None:
    """Give a gold item to nobody any more; the answers to it still measure those who gave them."""
    with transaction.atomic():
        gold = Comparison.objects.filter(pk=comparison.pk, purpose__in=USES, retired_at=None)
        if not gold.update(retired_at=timezone.now()):
            raise Refused(_("This comparison is no gold item in use."), field="comparison")
        record(by=by, verb="retire gold", target=comparison, project=comparison.project)


def _check_may_be_gold(comparison: Comparison, ranking: tuple[int, ...]) -> None:
    if comparison.purpose == Purpose.EVALUATE:
        raise Refused(_("This comparison evaluates a model; choose another."), field="comparison")
    if comparison.purpose == Purpose.REPEAT:
        raise Refused(_("This comparison repeats another; choose that one."), field="comparison")
    if comparison.retired_at:
        raise Refused(_("This comparison is retired; bring it back first."), field="comparison")
    responses = comparison.slots.count()
    if verdict_problem(Outcome.RANKED, ranking, responses):
        said = _("Give each of the %(count)s responses a rank from 1 without gaps; equal ranks are ties.")
        raise Refused(said % {"count": responses}, field="ranking")


def _put_in_queue(comparison: Comparison) -> None:
    rules = SliceRules(comparison.project)
    try:
        asked = rules.asked(tags_of([comparison.pk]).get(comparison.pk, ()))
    except RulesConflict as conflict:
        raise Refused(str(conflict), field="comparison") from conflict
    Comparison.objects.filter(pk=comparison.pk).update(
        purpose=Purpose.TRAIN, overlap=asked.overlap, retired_at=None
    )
    join_queue([comparison.pk], pools={comparison.pk: rules.pool(asked)})
