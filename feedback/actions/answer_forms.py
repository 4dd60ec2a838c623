"""How a project's people answer is decided here; what was answered before stays as it is."""

from django.db import transaction

from feedback.actions.audit import record
from feedback.answers import AnswerForm
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from feedback.queries.rubrics import rubric_names


def set_answer_form(
    *, project: Project, form: AnswerForm, show_judges: bool, by: Person, rubric: str = ""
) -> None:
    """Ask people like this from the next item on, and show them the AI judges' view after their answer, or not.

    ``rubric`` names the one they score with; without a name it is the project's newest. Refused: an unknown name.
    """
    if rubric and rubric not in rubric_names(project.pk):
        raise Refused(f"The project has no rubric {rubric!r}; choose one of its rubrics.", field="rubric")
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(
            form=form.to_json(), show_judges=show_judges, scored_rubric=rubric
        )
        record(
            by=by,
            verb="set answer form",
            target=project,
            project=project,
            show_judges=show_judges,
            rubric=rubric,
            **form.to_json(),
        )
    project.form, project.show_judges, project.scored_rubric = form.to_json(), show_judges, rubric
