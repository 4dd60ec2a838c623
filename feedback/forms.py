"""What people fill in on this room's pages; each form hands its values to one action."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from feedback.actions.assignments import MOST_PEOPLE
from feedback.actions.invitations import LIFETIMES
from feedback.answers import AnswerForm
from feedback.models import Rater, Role, TokenScope


class ProjectForm(forms.Form):
    name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Short; it becomes part of the address."),
    )
    description = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What this effort is for."),
    )
    guidelines = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=gettext_lazy(
            "What makes one response better than another. Markdown; annotators see it beside their work."
        ),
    )
    overlap = forms.IntegerField(
        min_value=0,
        max_value=MOST_PEOPLE,
        initial=2,
        label=gettext_lazy("People for each comparison"),
        help_text=gettext_lazy(
            "Agreement between people needs at least 2. With 0, people are asked only about what is chosen."
        ),
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100, help_text=gettext_lazy("What will use it, so that you know which one to revoke.")
    )
    scope = forms.ChoiceField(
        choices=[
            (TokenScope.READ, gettext_lazy("Read only")),
            (TokenScope.WRITE, gettext_lazy("Read and write")),
        ],
        label=gettext_lazy("It may"),
    )


class MemberForm(forms.Form):
    username = forms.CharField(
        max_length=150, help_text=gettext_lazy("Of somebody who already has an account on this server.")
    )
    role = forms.ChoiceField(choices=Role.choices)

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if not User.objects.filter(username=username, is_active=True).exists():
            said = _(
                "Nobody here is called “%(name)s”; send them an invitation, with which they make an account."
            )
            raise forms.ValidationError(said % {"name": username})
        return username


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, label=gettext_lazy("Role"))


class InvitationForm(RoleForm):
    note = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("For"),
        help_text=gettext_lazy("Whom you will give the link to, so that you know which one to revoke."),
    )
    days = forms.TypedChoiceField(
        coerce=int,
        initial=7,
        choices=[(days, ngettext_lazy("%d day", "%d days", days) % days) for days in LIFETIMES],
        label=gettext_lazy("Good for"),
    )


class QualificationsForm(forms.Form):
    languages = forms.CharField(
        max_length=500,
        required=False,
        label=gettext_lazy("Languages"),
        help_text=gettext_lazy("Their codes, with commas between: en, fr."),
    )
    skills = forms.CharField(
        max_length=500,
        required=False,
        label=gettext_lazy("Skills"),
        help_text=gettext_lazy("With commas between, in the words of the slices' rules: medicine, Python."),
    )

    @classmethod
    def of(cls, rater: Rater | None) -> "QualificationsForm":
        """The form with what this person has now; empty for somebody who has judged nothing yet."""
        names: dict[str, list[str]] = {"languages": [], "skills": []}
        for qualification in rater.qualifications.all() if rater else ():
            names[f"{qualification.kind}s"].append(qualification.name)
        return cls(initial={field: ", ".join(found) for field, found in names.items()})

    def names(self, field: str) -> list[str]:
        """What was filled in, without the commas."""
        return [name.strip() for name in self.cleaned_data[field].split(",") if name.strip()]


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
        help_text=gettext_lazy("Each response on each criterion of the newest rubric that is for people."),
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

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("choice") == "none" and not cleaned.get("scores"):
            self.add_error("scores", _("Without a choice people have to give scores, or they say nothing."))
        return cleaned

    def answer_form(self) -> AnswerForm:
        return AnswerForm(**{name: self.cleaned_data[name] for name in AnswerForm().to_json()})
