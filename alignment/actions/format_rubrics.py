"""What a published format's scores are scores of."""

from itertools import chain, islice

from django.db import transaction

from alignment.formats.registry import READERS, Records
from feedback.models import Project, Rubric
from feedback.people import Person
from feedback.records import ComparisonRecord
from judges.actions.rubrics import create_rubric

LOOKED_AT = 100  # rows, of which one has to be a comparison before anything is made of the format


def bring_rubric(*, project: Project, format: str, records: Records, by: Person) -> Records:
    """The same records; a project without any rubric has by then the one that the format's scores need."""
    reader = READERS.get(format)
    if reader is None or reader.rubric is None:
        return records
    first = list(islice(records, LOOKED_AT))
    if any(isinstance(each, ComparisonRecord) for each in first):
        with transaction.atomic():
            Project.objects.select_for_update(no_key=True).get(
                pk=project.pk
            )  # of two files one brings its own
            if not Rubric.objects.filter(project=project).exists():
                text = reader.rubric
                create_rubric(
                    project=project,
                    name=text.name,
                    instructions=text.instructions,
                    criteria=text.criteria,
                    by=by,
                )
    return chain(first, records)
