"""What the playground tries: one or two judges, and how comparisons are picked."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.models import Project, Tag
from judges.models import Judge

MOST_PICKED = 20


class PlaygroundForm(forms.Form):
    """``ids`` are ids of comparisons; without them ``n`` are drawn from those that fit ``q`` and ``tag``."""

    judge = forms.ModelChoiceField(queryset=Judge.objects.none(), label=gettext_lazy("Judge"))
    other = forms.ModelChoiceField(
        queryset=Judge.objects.none(),
        required=False,
        label=gettext_lazy("Beside"),
        empty_label=gettext_lazy("no other"),
    )
    q = forms.CharField(required=False, max_length=200, label=gettext_lazy("Containing the words"))
    tag = forms.ModelChoiceField(
        queryset=Tag.objects.none(),
        required=False,
        label=gettext_lazy("With the tag"),
        empty_label=gettext_lazy("any"),
    )
    n = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_PICKED,
        initial=3,
        label=gettext_lazy("How many, at random"),
    )
    ids = forms.CharField(
        required=False,
        max_length=5_000,
        label=gettext_lazy("Or these ids"),
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("q1, q2, q3"), "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("judge", "other"):
            self.fields[name].queryset = project.judges.order_by("name", "-version")  # type: ignore[attr-defined]
        self.fields["tag"].queryset = project.tags.all()  # type: ignore[attr-defined]
        self.use_required_attribute = False

    def clean_ids(self) -> list[str]:
        ids = [one.strip() for one in self.cleaned_data["ids"].replace("\n", ",").split(",") if one.strip()]
        if len(ids) > MOST_PICKED:
            raise forms.ValidationError(_("Name at most %(most)d comparisons.") % {"most": MOST_PICKED})
        return ids
