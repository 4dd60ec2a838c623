"""What people say once they have seen the AI judges' view. Their judgment stays as it was."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import Judgment, Outcome, SecondLook


def look_again(*, judgment: Judgment, agrees: bool) -> SecondLook:
    """Keep whether the rater agrees with the judges or stands by their own; the last word counts.

    Refused where the project does not show the judges' view, or there was no verdict.
    """
    if not judgment.comparison.project.show_judges or judgment.outcome != Outcome.RANKED:
        raise Refused(_("There is no judges' view of this comparison to look at."))
    with transaction.atomic():
        look, _created = SecondLook.objects.update_or_create(
            judgment=judgment, defaults={"agrees": agrees, "at": timezone.now()}
        )
    return look
