"""How a project's people answer."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.answers import AnswerForm
from feedback.models import Project
from feedback.queries.rubrics import rubric_names


class AnswerFormFields(forms.Form):
    """How a project's people answer; see ``feedback.answers.AnswerForm``, whose fields these are."""

    choice = forms.ChoiceField(
        choices=[
            ("pair", gettext_lazy("One of the two is better")),
            ("strength", gettext_lazy("One of the two is better, and by how much")),
            ("ranking", gettext_lazy("Rank them")),
            ("none", gettext_lazy("Only score them; the scores rank them")),
        ],
        label=gettext_lazy("How people choose"),
        help_text=gettext_lazy("More than two responses are always ranked, or scored."),
    )
    points = forms.TypedChoiceField(
        choices=[
            (5, gettext_lazy("5, with equal in the middle")),
            (7, gettext_lazy("7, with equal in the middle")),
            (8, gettext_lazy("8, without equal")),
        ],
        coerce=int,
        label=gettext_lazy("Steps, where they say by how much"),
    )
    tie = forms.BooleanField(
        required=False,
        label=gettext_lazy("Ties"),
        help_text=gettext_lazy("Responses may be called equal, where people choose or rank."),
    )
    all_bad = forms.BooleanField(
        required=False,
        label=gettext_lazy("All bad"),
        help_text=gettext_lazy("People may add that no response is good enough."),
    )
    scores = forms.BooleanField(
        required=False,
        label=gettext_lazy("Scores"),
        help_text=gettext_lazy("Each response on each criterion that is for people."),
    )
    rubric = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Rubric"),
        help_text=gettext_lazy("What they score with: its newest version."),
    )
    spans = forms.BooleanField(
        required=False,
        label=gettext_lazy("Comments on parts"),
        help_text=gettext_lazy("People may mark a part of a response and comment on it."),
    )
    rationale = forms.ChoiceField(
        choices=[
            ("off", gettext_lazy("Not asked for")),
            ("optional", gettext_lazy("Welcome")),
            ("required", gettext_lazy("Required")),
        ],
        label=gettext_lazy("Reasons"),
        help_text=gettext_lazy("A text that says why."),
    )
    flags = forms.BooleanField(
        required=False,
        label=gettext_lazy("Flags"),
        help_text=gettext_lazy(
            "Unsafe, tells who wrote it, broken, not my language: each sends the item to a reviewer."
        ),
    )
    show_judges = forms.BooleanField(
        required=False,
        label=gettext_lazy("Show the AI judges' view after the answer"),
        help_text=gettext_lazy(
            "People then say whether they agree or stand by theirs. Their answer stays as it was."
        ),
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rubric = self.fields["rubric"]
        assert isinstance(rubric, forms.ChoiceField)  # noqa: S101  tells the type checker what the field is
        names = rubric_names(project.pk)
        rubric.choices = [("", _("The project's newest rubric")), *((name, name) for name in names)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("choice") == "none" and not cleaned.get("scores"):
            self.add_error("scores", _("Without a choice people have to give scores, or they say nothing."))
        return cleaned

    def answer_form(self) -> AnswerForm:
        return AnswerForm(**{name: self.cleaned_data[name] for name in AnswerForm().to_json()})
