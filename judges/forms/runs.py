"""What a run is about, as people choose it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from feedback.models import Project, Purpose
from judges.models import RunMode

MODES = (
    (RunMode.LIVE, _("Live: one by one, as fast as the provider allows")),
    (RunMode.BATCH, _("In batches: for less, within a day")),
)
PURPOSES = (
    (Purpose.TRAIN, _("Comparisons for training")),
    (Purpose.EVALUATE, _("Comparisons for evaluation")),
)


def _budget(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=6,
        label=label,
        help_text=_("The run stops before a call that could pass it. Empty: no limit of its own."),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


class StartRunForm(forms.Form):
    """Which of the project's comparisons, in which way, for how much at most."""

    purpose = forms.ChoiceField(choices=PURPOSES, initial=Purpose.TRAIN, label=_("Of the"))
    mode = forms.ChoiceField(
        choices=MODES, initial=RunMode.LIVE, widget=forms.RadioSelect, label=_("How they are asked")
    )
    budget = _budget(_("Budget of this run, in dollars"))

    field_order = ("purpose", "tag", "mode", "budget")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tag"] = forms.ModelChoiceField(
            queryset=project.tags.all(), required=False, empty_label=_("all of them"), label=_("With the tag")
        )
        self.order_fields(self.field_order)


class RunBudgetForm(forms.Form):
    budget = _budget(_("Budget of this run, in dollars"))
