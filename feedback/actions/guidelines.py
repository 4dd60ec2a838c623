"""Guidelines are published here, a version for each change; people say that they have read them."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Guideline, GuidelineReading, Project, Rater
from feedback.people import Person


def publish_guidelines(
    *, project: Project, texts: Mapping[str, str], change: str = "", by: Person
) -> list[Guideline]:
    """A new version in each language of ``texts`` (by language code). Refused where a text is empty."""
    if not texts or not all(text.strip() for text in texts.values()):
        raise Refused("Write the guidelines before you publish them.", field="text")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        newest = project.guidelines.aggregate(version=Max("version"))["version"] or 0
        published = [
            Guideline.objects.create(
                project=project, version=newest + 1, language=language, text=text, change=change, created_by=by
            )
            for language, text in sorted(texts.items())
        ]
        record(by=by, verb="publish guidelines", target=project, project=project, version=newest + 1)
    return published


def mark_read(*, rater: Rater, version: int) -> None:
    """This person says that they have read this version; once is enough."""
    GuidelineReading.objects.get_or_create(rater=rater, version=version)
