"""May this person go on? Asked before every take, and after every answer.

Somebody is stopped when, of their last ``gold_window`` answers to gold and attention items, a smaller share than
``gold_minimum`` is right, once they have given half so many. A lead lets them go on, and they are measured anew.
"""

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.extras import end_practice
from feedback.actions.notices import notify, settle_notice
from feedback.errors import Refused
from feedback.models import Judgment, Notice, Outcome, Project, Purpose, Rater, RaterKind
from feedback.people import Person
from feedback.queries.guidelines import unread_guideline
from feedback.queries.measuring import CHECKS, answers_needed, checks_answered, midnight, score_of
from feedback.statements import run

_COUNT = "UPDATE feedback_rater SET answered = answered + 1 WHERE id = %s"
STOPPED = "stopped"  # the kind of the leads' notice; its subject is the rater's id


def check_may_work(rater: Rater) -> None:
    """Refused, with the reason as ``field``, where this person is to be given nothing now.

    ``field`` is "stopped", "paused", "guidelines" (to be read first) or "cap". Practice is no reason: it is given.
    """
    project = rater.project
    if rater.stopped_at:
        raise Refused(
            _("You are given nothing more here for now. The leads know, and can let you go on; ask them."),
            field="stopped",
        )
    if project.paused:
        raise Refused(_("The leads have paused the work here. Come back later."), field="paused")
    if unread_guideline(rater, get_language() or "en"):
        raise Refused(_("The guidelines are new to you: read them before you go on."), field="guidelines")
    _check_caps(rater)


def room_under_caps(rater: Rater) -> int | None:
    """How many more items this person may hold or answer under the project's caps; None where there are none."""
    project = rater.project
    if project.cap_per_day is None and project.cap_per_person is None:
        return None
    held = rater.assignments.filter(done_at=None, expires_at__isnull=False).count()
    left = []
    if project.cap_per_day is not None:
        left.append(project.cap_per_day - answered_today(rater, project.cap_per_day))
    if project.cap_per_person is not None:
        left.append(project.cap_per_person - _answered(rater))
    return max(0, min(left) - held)


def answered_today(rater: Rater, at_most: int) -> int:
    """How many items this person has answered since midnight on the server; counted up to ``at_most``."""
    done = rater.assignments.filter(done_at__gte=midnight())
    return done.order_by("done_at")[:at_most].count()


def after_answer(judgment: Judgment, *, first: bool) -> None:
    """What a person's answer changes for them, in the transaction that stores it.

    ``first`` says that they have answered this comparison never before: one more is counted.
    """
    rater = judgment.rater
    if rater.kind != RaterKind.HUMAN or judgment.adjudicates:
        return
    if first:
        run(_COUNT, [rater.pk])
    purpose = judgment.comparison.purpose
    if purpose == Purpose.PRACTICE:
        end_practice(rater)
    elif purpose in CHECKS and judgment.outcome == Outcome.RANKED:
        _stop_if_too_often_wrong(rater)


def stop(*, rater: Rater, because: str, by: Person) -> None:
    """Give this person nothing more until a lead lets them go on, and tell the leads. Refused without a reason."""
    if not because.strip():
        raise Refused(_("Say why this person is stopped."), field="because")
    with transaction.atomic():
        rater.stopped_at, rater.stopped_because = timezone.now(), because[:300]
        stopped = Rater.objects.filter(pk=rater.pk, stopped_at=None)
        if stopped.update(stopped_at=rater.stopped_at, stopped_because=rater.stopped_because):
            record(by=by, verb="stop", target=rater, project=rater.project, because=because)
            with override(settings.LANGUAGE_CODE):
                text = _("%(name)s was stopped: %(because)s") % {"name": rater.name, "because": because}
            notify(project=rater.project, kind=STOPPED, subject=str(rater.pk), text=text)


def let_go_on(*, rater: Rater, reason: str, by: Person) -> None:
    """Let a stopped person work again, measured from now on. Refused: no reason, somebody who is not stopped."""
    if not reason.strip():
        raise Refused(_("Say why this person may go on; it is kept with their work."), field="reason")
    with transaction.atomic():
        stopped = Rater.objects.filter(pk=rater.pk, stopped_at__isnull=False)
        if not stopped.update(stopped_at=None, stopped_because="", measured_from=timezone.now()):
            raise Refused(_("%(name)s is not stopped.") % {"name": rater.name}, field="rater")
        rater.refresh_from_db()
        record(by=by, verb="let go on", target=rater, project=rater.project, reason=reason)
        for notice in Notice.objects.filter(
            project=rater.project, kind=STOPPED, subject=str(rater.pk), settled_at=None
        ):
            settle_notice(notice=notice, by=by)


def pause(*, project: Project, by: Person) -> None:
    """Give nobody anything more in this project; what people hold they may still answer."""
    _set_paused(project, True, "pause", by)


def unpause(*, project: Project, by: Person) -> None:
    """Let the work in this project go on."""
    _set_paused(project, False, "unpause", by)


def _set_paused(project: Project, paused: bool, verb: str, by: Person) -> None:
    with transaction.atomic():
        if Project.objects.filter(pk=project.pk, paused=not paused).update(paused=paused):
            record(by=by, verb=verb, target=project, project=project)
    project.paused = paused


def _check_caps(rater: Rater) -> None:
    project = rater.project
    day, person = project.cap_per_day, project.cap_per_person
    if day is not None and answered_today(rater, day) >= day:
        said = ngettext(
            "That was %(cap)s item, all there is for one day. Come back tomorrow.",
            "Those were %(cap)s items, all there are for one day. Come back tomorrow.",
            day,
        )
        raise Refused(said % {"cap": day}, field="cap")
    if person is not None and _answered(rater) >= person:
        said = ngettext(
            "You have answered %(cap)s item, as many as one person answers here. Thank you.",
            "You have answered %(cap)s items, as many as one person answers here. Thank you.",
            person,
        )
        raise Refused(said % {"cap": person}, field="cap")


def _answered(rater: Rater) -> int:
    return Rater.objects.values_list("answered", flat=True).get(pk=rater.pk)


def _stop_if_too_often_wrong(rater: Rater) -> None:
    project = rater.project
    if project.gold_minimum is None or rater.stopped_at:
        return
    score = score_of(checks_answered(rater, since=rater.measured_from)[: project.gold_window])
    if score.share is None or score.n < answers_needed(project) or score.share >= project.gold_minimum:
        return
    with override(settings.LANGUAGE_CODE):
        because = _(
            "%(right)s of their last %(n)s answers to gold items were right; the minimum is %(minimum)s %%."
        ) % {"right": score.right, "n": score.n, "minimum": round(100 * project.gold_minimum)}
    stop(rater=rater, because=because, by=None)
