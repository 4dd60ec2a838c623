"""A panel as it is put together: its members with their weights, and by which rule they become one."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.models import Project
from judges.core.panels import MAJORITY, MEAN_SCORE, WEIGHTED
from judges.models import Judge

RULES = (
    (MAJORITY, gettext_lazy("Majority, one vote each")),
    (WEIGHTED, gettext_lazy("Majority of the weights")),
    (MEAN_SCORE, gettext_lazy("Mean of the scores")),
)


class PanelForm(forms.Form):
    """Each judge has a box and a weight, which counts where the rule is not one vote each."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))
    rule = forms.ChoiceField(choices=RULES, label=gettext_lazy("How they become one"))
    quorum = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("Quorum"),
        help_text=gettext_lazy("So many members must have a verdict. Empty: more than half of them."),
    )
    tie_margin = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label=gettext_lazy("Tie margin"),
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("For the mean of scores, which go from 0 to 1."),
    )
    cap_families = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Count a family once"),
        help_text=gettext_lazy(
            "Judges of one family err together: they weigh no more than the heaviest of them."
        ),
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.judges = list(project.judges.order_by("name", "-version"))
        for judge in self.judges:
            self.fields[f"member_{judge.pk}"] = forms.BooleanField(required=False, label=str(judge))
            self.fields[f"weight_{judge.pk}"] = forms.FloatField(
                required=False,
                min_value=0,
                initial=1.0,
                label=_("Weight of %(judge)s") % {"judge": judge},
                widget=forms.NumberInput(attrs={"step": "any"}),
            )
        self.use_required_attribute = False

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [
            {"judge": judge, "member": self[f"member_{judge.pk}"], "weight": self[f"weight_{judge.pk}"]}
            for judge in self.judges
        ]

    def panel(self) -> dict[str, Any]:
        """What ``create_panel`` takes."""
        said = self.cleaned_data
        one_vote = said["rule"] == MAJORITY
        members: list[tuple[Judge, float]] = [
            (judge, 1.0 if one_vote else _weight(said[f"weight_{judge.pk}"]))
            for judge in self.judges
            if said[f"member_{judge.pk}"]
        ]
        return {
            "name": said["name"],
            "members": members,
            "rule": said["rule"],
            "quorum": said["quorum"],
            "cap_families": said["cap_families"],
            "tie_margin": (said["tie_margin"] or 0.0) if said["rule"] == MEAN_SCORE else 0.0,
        }


def _weight(given: float | None) -> float:
    return 1.0 if given is None else given
