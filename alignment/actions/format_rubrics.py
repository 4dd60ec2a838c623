"""What a published format's scores are scores of."""

from alignment.formats.registry import READERS
from feedback.models import Project, Rubric
from feedback.people import Person
from judges.actions.rubrics import create_rubric


def bring_rubric(*, project: Project, format: str, by: Person) -> Rubric | None:
    """Give a project without any rubric the one that the format's scores need; a rubric of its own is left alone."""
    reader = READERS.get(format)
    if reader is None or reader.rubric is None or Rubric.objects.filter(project=project).exists():
        return None
    text = reader.rubric
    return create_rubric(
        project=project, name=text.name, instructions=text.instructions, criteria=text.criteria, by=by
    )
