"""Stages: a model version becomes a candidate, is approved on an evaluation, or is taken back; every step is kept."""

from django.db import transaction
from django.utils.translation import gettext as _

from alignment.statistics.not_worse import WORSE
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.people import Person
from trainer.models import Evaluation, ModelKind, ModelVersion, Stage, StageChange
from trainer.queries import stage_of

LONGEST_REASON = 2000


def set_stage(
    *,
    model_version: ModelVersion,
    stage: str,
    by: Person,
    evaluation: Evaluation | None = None,
    reason: str = "",
) -> StageChange:
    """Put the version there. Refused where it stands there already.

    To approve needs an evaluation of it that has a result (a reward model: a check). Where that says that the
    regression set got worse, approving needs a written ``reason``, which stays in the audit trail.
    """
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Refused(
            _("The reason is longer than %(most)s characters.") % {"most": LONGEST_REASON}, field="reason"
        )
    overrides = False
    if stage == Stage.APPROVED:
        overrides = _check_approval(model_version, evaluation, reason)
    with transaction.atomic():
        ModelVersion.objects.select_for_update(no_key=True).get(pk=model_version.pk)
        if stage_of(model_version) == stage:
            raise Refused(_("%(name)s is there already.") % {"name": model_version.name}, field="stage")
        change = StageChange.objects.create(
            model_version=model_version,
            stage=stage,
            evaluation=evaluation if stage == Stage.APPROVED else None,
            overrides=overrides,
            reason=reason,
            created_by=by,
        )
        record(
            by=by,
            verb="set stage",
            target=change,
            project=model_version.project,
            model=model_version.name,
            stage=stage,
            evaluation=evaluation.pk if evaluation else None,
            regression=_regression(evaluation),
            overrides=overrides,
            reason=reason,
        )
    return change


def _check_approval(version: ModelVersion, evaluation: Evaluation | None, reason: str) -> bool:
    """Whether the approval overrides its regression set."""
    if version.kind != ModelKind.POLICY:
        raise Refused(_("A reward model is not approved: it is checked, and used by name."), field="stage")
    if evaluation is None or evaluation.model_version_id != version.pk or not evaluation.result:
        raise Refused(
            _("To approve %(name)s choose an evaluation of it that has ended.") % {"name": version.name},
            field="evaluation",
        )
    worse = _regression(evaluation) == WORSE
    if worse and not reason:
        tag = evaluation.result["regression"]["tag"]
        raise Refused(
            _(
                "%(name)s got worse on the regression set %(tag)s, so it is not approved; to approve it all "
                "the same, write down why."
            )
            % {"name": version.name, "tag": tag},
            field="reason",
        )
    return worse


def _regression(evaluation: Evaluation | None) -> str | None:
    tested = (evaluation.result or {}).get("regression") if evaluation else None
    return tested["verdict"] if tested else None
