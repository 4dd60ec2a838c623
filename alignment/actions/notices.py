"""What the leads are told when a policy finds it."""

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from alignment.policy.basis import Basis
from alignment.queries import Judgments
from feedback.actions.notices import notify
from feedback.models import Project

DRIFT = "drift"  # the kind of the leads' notice; its subject is the rater's id


def tell_of_drift(project: Project, basis: Basis, judgments: Judgments) -> None:
    """Tell the leads of each judge that lost its certificates because its agreement with people changed."""
    drifted = {one.judge: one.sentence for one in basis.certificates if one.reason == "drifted"}
    for judge, sentence in drifted.items():
        with override(settings.LANGUAGE_CODE):
            text = _("%(judge)s: %(sentence)s") % {"judge": judgments.names[judge], "sentence": sentence}
        notify(project=project, kind=DRIFT, subject=str(judgments.raters[judge].pk), text=text)
