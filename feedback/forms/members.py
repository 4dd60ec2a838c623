"""How people come into a project, and what they may be asked; each form hands its values to one action."""

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from feedback.actions.invitations import LIFETIMES
from feedback.models import Rater, Role


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
