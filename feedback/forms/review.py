"""What reviewers fill in; each form hands its values to one action."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from feedback.answers import LONGEST_RATIONALE, Verdict

_SIDES = {"first": (1, 2), "tie": (1, 1), "second": (2, 1)}


class ReasonForm(forms.Form):
    """A sentence, and the state of the comparison that it is about; whether it may be empty is the action's to say."""

    text = forms.CharField(max_length=LONGEST_RATIONALE, required=False)
    seen = forms.CharField(max_length=64, required=False)


class DecisionForm(forms.Form):
    """A decision between so many responses in canonical order: a side of two, or a rank for each of more."""

    seen = forms.CharField(max_length=64)
    all_bad = forms.BooleanField(required=False)
    reason = forms.CharField(
        max_length=LONGEST_RATIONALE, error_messages={"required": _("Say why you decide so.")}
    )

    def __init__(self, responses: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.responses = responses
        if responses == 2:
            choices = [(side, side) for side in _SIDES]
            missing = {"required": _("Choose the better response, or a tie.")}
            self.fields["choice"] = forms.ChoiceField(choices=choices, error_messages=missing)
            return
        for position in range(responses):
            self.fields[f"rank_{position}"] = forms.IntegerField(
                min_value=1,
                max_value=responses,
                error_messages={"required": _("Give every response a rank.")},
            )

    @property
    def verdict(self) -> Verdict:
        """The decision, its reason as the rationale."""
        said = self.cleaned_data
        ranks = (
            _SIDES[said["choice"]]
            if self.responses == 2
            else tuple(said[f"rank_{position}"] for position in range(self.responses))
        )
        return Verdict(ranking=ranks, all_bad=said["all_bad"], rationale=said["reason"])

    @property
    def ranks(self) -> list[tuple[int, str]]:
        """For each response the number it has on the page and the rank given so far."""
        return [
            (position + 1, str(self.data.get(f"rank_{position}", ""))) for position in range(self.responses)
        ]
