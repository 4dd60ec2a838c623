"""The cheapest labels for a wanted interval of a win rate: what is asked, and the answer for each model."""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alignment.statistics.prediction_powered import cheapest_mix
from feedback.models import Judgment, Project
from judges.models import Budget

Json = dict[str, Any]


class MixForm(forms.Form):
    """How narrow an interval should be, and what a label costs, in one currency."""

    half_width = forms.FloatField(
        min_value=0.001,
        max_value=0.5,
        label=_("Wanted interval, ±"),
        widget=forms.NumberInput({"step": "any"}),
    )
    person_cost = forms.FloatField(
        min_value=0.0001,
        max_value=10_000,
        label=_("A person's label costs"),
        widget=forms.NumberInput({"step": "any"}),
    )
    judge_cost = forms.FloatField(
        min_value=0,
        max_value=10_000,
        label=_("A judge's label costs"),
        widget=forms.NumberInput({"step": "any"}),
    )

    @classmethod
    def of(cls, request: HttpRequest, project: Project) -> "MixForm":
        """What the address asks; what it leaves out is what is usual, and what judges have cost here."""
        usual = {"half_width": "0.03", "person_cost": "0.5", "judge_cost": f"{judge_cost(project):.4g}"}
        return cls({name: request.GET.get(name) or value for name, value in usual.items()})


def judge_cost(project: Project) -> float:
    """Dollars a comparison that the project's judges have been paid, or a cent where that is not known."""
    spent = Budget.objects.filter(project=project, judge_name="").values_list("spent", flat=True).first()
    judged = Judgment.objects.filter(rater__judge__project=project, current=True).count() if spent else 0
    return float((spent or Decimal(0)) / judged) if judged else 0.01


def with_mixes(rates: list[Json], form: MixForm) -> list[Json]:
    """Each win rate with the cheapest ``mix`` of labels, None where it can not be said."""
    return [{**rate, "mix": _mix(rate, form)} for rate in rates]


def _mix(rate: Json, form: MixForm) -> Json | None:
    if not form.is_valid() or not rate["variance"] or rate["correlation"] is None:
        return None
    found = cheapest_mix(variance=rate["variance"], correlation=rate["correlation"], **form.cleaned_data)
    return found._asdict()
