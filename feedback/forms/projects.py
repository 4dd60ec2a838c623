"""What makes a project and the tokens of its programs; each form hands its values to one action."""

from django import forms
from django.utils.translation import gettext_lazy

from feedback.actions.assignments import MOST_PEOPLE
from feedback.models import TokenScope


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
