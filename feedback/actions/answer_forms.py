"""How a project's people answer is decided here; what was answered before stays as it is."""

from django.db import transaction

from feedback.actions.audit import record
from feedback.answers import AnswerForm
from feedback.models import Project
from feedback.people import Person


def set_answer_form(*, project: Project, form: AnswerForm, show_judges: bool, by: Person) -> None:
    """Ask people like this from the next item on, and show them the AI judges' view after their answer, or not."""
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(form=form.to_json(), show_judges=show_judges)
        record(
            by=by,
            verb="set answer form",
            target=project,
            project=project,
            show_judges=show_judges,
            **form.to_json(),
        )
    project.form, project.show_judges = form.to_json(), show_judges
