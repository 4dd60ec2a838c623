"""What people fill in on this room's pages; each form hands its values to one action."""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from feedback.models import Project

EXAMPLE = {
    "rules": [{"pattern": "(?i)sorry", "weight": 1.0, "when": "late|broken"}],
    "length_weight": 0.0,
    "noise": 0.0,
    "margin": 0.1,
}


class PrettyJson(json.JSONEncoder):
    """JSON as people edit it, one name a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"indent": 2}))


class StrictJson(forms.JSONField):
    """JSON that a database can hold. Django's own field fails on deep nesting and on very long numbers."""

    def to_python(self, value: Any) -> Any:
        try:
            return _storable(super().to_python(value))
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return _storable(super().bound_data(data, initial))
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


def _storable(value: Any) -> Any:
    """``value``. Raises ValueError for half of a surrogate pair in it."""
    json.dumps(value, ensure_ascii=False).encode()
    return value


class RulesJudgeForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="Verdicts are shown under this name.")
    instructions = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}), help_text="What the rules are meant to reward, in words."
    )
    settings = StrictJson(
        label="Rules",
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
        encoder=PrettyJson,
        initial=EXAMPLE,
        help_text="JSON. A rule adds its weight where its pattern is in the response and its “when”, if it has one, in "
        "the last user message. Patterns are RE2’s: no lookaround. Scores that differ by no more than the margin are "
        "a tie.",
    )
    both_orders = forms.BooleanField(
        required=False,
        initial=True,
        help_text="Ask twice, with the responses swapped; verdicts that disagree count as inconsistent.",
    )

    def clean_settings(self) -> dict[str, Any]:
        settings = self.cleaned_data["settings"]
        if not isinstance(settings, dict):
            raise forms.ValidationError("Write one JSON object, with the name rules in it.")
        return settings


class StartRunForm(forms.Form):
    """Which of the project's comparisons: those of one tag, or all of them."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tag"] = forms.ModelChoiceField(
            queryset=project.tags.all(), required=False, empty_label="All", label="Comparisons"
        )
