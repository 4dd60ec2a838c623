"""What reviewers do with a comparison: decide it, dismiss its flags, let a disagreement stand, send a judgment back.

Anybody who may review can also ask for a review. Each other action carries ``seen``, the state of the comparison that
the reviewer had before them (``feedback.queries.review.review_state``): where it has changed since, the action is
refused and they are told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.assignments import release_assignment
from feedback.actions.audit import record
from feedback.actions.judgments import check_verdict
from feedback.actions.projects import rater_of
from feedback.actions.review_items import lock_item, weigh
from feedback.answers import Verdict, dense_ranks
from feedback.errors import Refused
from feedback.models import (
    MEASURING,
    Assignment,
    Comparison,
    Doubt,
    Flag,
    Judgment,
    Outcome,
    Rater,
    RaterKind,
    Return,
    ReviewItem,
)
from feedback.people import Person
from feedback.queries.review import adjudication_of, review_state


def adjudicate(*, comparison: Comparison, verdict: Verdict, seen: str, by: User) -> Judgment:
    """Decide a comparison, ``verdict.rationale`` being the reason; an earlier decision becomes history.

    It settles the flags and the disagreement, holds no slot and is no vote. The reviewer is not asked about the
    comparison any more. Refused: no reason, a bad ranking, a comparison that measures people.
    """
    reason = _needed(verdict.rationale, _("Say why you decide so."), "reason")
    if comparison.purpose in MEASURING:
        raise Refused(
            _("This comparison measures people: its answer is known, so there is nothing to decide.")
        )
    check_verdict(verdict, comparison)
    rater = rater_of(project=comparison.project, user=by)
    with _out_of_the_queue(rater, comparison), _reviewing(comparison, seen, by):
        Judgment.objects.filter(comparison=comparison, current=True, adjudicates=True).update(current=False)
        decision = Judgment.objects.create(
            comparison=comparison,
            rater=rater,
            submission_id=uuid4(),
            outcome=Outcome.RANKED,
            ranking=dense_ranks(verdict.ranking),
            all_bad=verdict.all_bad,
            adjudicates=True,
            rationale=reason,
            at=timezone.now(),
        )
        _settle_flags(comparison, reason, by)
        ranking = list(decision.ranking)
        record(
            by=by,
            verb="adjudicate",
            target=comparison,
            project=comparison.project,
            reason=reason,
            ranking=ranking,
        )
    return decision


def dismiss_flags(*, comparison: Comparison, reason: str, seen: str, by: User) -> int:
    """Settle the open flags without more; their number. Refused: no reason, or no open flag."""
    reason = _needed(reason, _("Say why the flags need nothing more."), "reason")
    with _reviewing(comparison, seen, by):
        settled = _settle_flags(comparison, reason, by)
        if not settled:
            raise Refused(_("No flag is open here any more."))
        record(by=by, verb="dismiss flags", target=comparison, project=comparison.project, reason=reason)
    return settled


def let_stand(*, comparison: Comparison, reason: str, seen: str, by: User) -> None:
    """Leave a disagreement as it is: raters may differ here. It comes back if another answer changes it.

    It also settles what somebody sent to review.
    """
    reason = _needed(reason, _("Say why people may differ here."), "reason")
    with _reviewing(comparison, seen, by) as item:
        if not item.conflict and not item.asked:
            raise Refused(_("People do not disagree here any more."))
        ReviewItem.objects.filter(pk=item.pk).update(let_stand=True, asked=False)
        record(by=by, verb="let stand", target=comparison, project=comparison.project, reason=reason)


def ask_for_review(*, comparison: Comparison, reason: str, by: Person) -> bool:
    """Put a comparison into the reviewers' queue, for instance because people and judges disagree; was it not there?

    Refused: no reason, a comparison that measures people or is retired, or one that a reviewer has decided.
    """
    reason = _needed(reason, _("Say why a reviewer should look at it."), "reason")
    if comparison.purpose in MEASURING or comparison.retired_at is not None:
        raise Refused(_("This comparison measures people or is retired, so there is nothing to review."))
    if adjudication_of(comparison.pk):
        raise Refused(_("A reviewer has decided this comparison already."))
    with transaction.atomic():
        item = lock_item(comparison)
        if item.asked:
            return False
        ReviewItem.objects.filter(pk=item.pk).update(asked=True, let_stand=False)
        weigh([comparison.pk])
        record(by=by, verb="ask for review", target=comparison, project=comparison.project, reason=reason)
    return True


def send_back(*, judgment: Judgment, comment: str, seen: str, by: User) -> Return:
    """Ask a person to judge a comparison again; it comes first in their queue, with the comment.

    Their judgment counts until they have answered. Refused: no comment, or a judgment that nobody here can revise.
    """
    comment = _needed(comment, _("Say what they should look at again."), "comment")
    comparison = judgment.comparison
    if not can_be_sent_back(judgment, comparison):
        raise Refused(_("This judgment can not be sent back: nobody with an account here can change it."))
    with _reviewing(comparison, seen, by):
        if Return.objects.filter(judgment=judgment, answered_by=None).exists():
            raise Refused(_("This judgment was sent back already, and its answer has not come yet."))
        returned = Return.objects.create(
            judgment=judgment, rater=judgment.rater, comment=comment, returned_by=by
        )
        record(
            by=by,
            verb="send back",
            target=comparison,
            project=comparison.project,
            rater=judgment.rater.name,
            reason=comment,
        )
    return returned


def can_be_sent_back(judgment: Judgment, comparison: Comparison) -> bool:
    """Is it the current answer of a person with an account, to a comparison that is not there to measure them?"""
    return (
        judgment.current
        and not judgment.adjudicates
        and judgment.rater.kind == RaterKind.HUMAN
        and judgment.rater.user_id is not None
        and comparison.purpose not in MEASURING
    )


def raise_doubt(*, comparison: Comparison, note: str, by: User) -> Doubt:
    """Note for whoever writes the guidelines that they are unclear here."""
    note = _needed(note, _("Say what the guidelines leave open here."), "note")
    with transaction.atomic():
        doubt = Doubt.objects.create(comparison=comparison, note=note, raised_by=by)
        record(by=by, verb="doubt guidelines", target=comparison, project=comparison.project, reason=note)
    return doubt


@contextmanager
def _reviewing(comparison: Comparison, seen: str, by: User) -> Iterator[ReviewItem]:
    """One review at a time, of the comparison as it was seen; weighed again at the end."""
    with transaction.atomic():
        item = lock_item(comparison)
        if seen != review_state(comparison.pk):
            raise Refused(_changed(comparison, by), field="seen")
        yield item
        weigh([comparison.pk])


def _changed(comparison: Comparison, by: User) -> str:
    decision = adjudication_of(comparison.pk)
    if decision and decision.rater.user_id != by.pk:
        said = _(
            "%(name)s decided this comparison while you were looking at it. Nothing of yours was stored; here is "
            "their decision."
        )
        return said % {"name": decision.rater.name}
    return _(
        "This comparison changed while you were looking at it: somebody answered, or another reviewer was here. "
        "Nothing was stored; here it is as it stands now."
    )


def _needed(text: str, sentence: str, field: str) -> str:
    if not text.strip():
        raise Refused(sentence, field=field)
    return text.strip()


def _settle_flags(comparison: Comparison, reason: str, by: User) -> int:
    open_flags = Flag.objects.filter(comparison=comparison, settled_at=None)
    return open_flags.update(settled_at=timezone.now(), settled_by=by, settled_because=reason)


@contextmanager
def _out_of_the_queue(rater: Rater, comparison: Comparison) -> Iterator[None]:
    """One transaction, before which the queue stops asking the reviewer: they have seen what the others say.

    It comes first, since answers lock in this order as well: the person, the slot, then the review.
    """
    with transaction.atomic():
        release_assignment(rater=rater, comparison_id=comparison.pk)
        canonical = tuple(range(comparison.slots.count()))
        assignment, _created = Assignment.objects.get_or_create(
            comparison=comparison, rater=rater, defaults={"shown": canonical, "done_at": timezone.now()}
        )
        Assignment.objects.filter(pk=assignment.pk, done_at=None).update(
            done_at=timezone.now(), expires_at=None
        )
        yield
