"""The fields of a form that say a search: without ranges there is none."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from trainer.search import DEFAULTS, DIRECTIONS, MOST_TRIALS, read_ranges, write_ranges
from trainer.spec_error import SpecError


class RangeLines(forms.CharField):
    """A parameter and its range a line, as ``trainer.search`` reads them; empty is no range."""

    def clean(self, value: Any) -> dict[str, dict[str, Any]]:
        try:
            return read_ranges(super().clean(value))
        except SpecError as error:
            raise forms.ValidationError(f"{error}.") from error


def search_fields() -> dict[str, forms.Field]:
    """A field for each of a search, called ``search.NAME`` as in a refusal. Without ranges there is no search."""
    example = "learning_rate 1e-6..1e-4 log\nbatch_size 8, 16"
    area = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": example})
    return {
        "search.ranges": RangeLines(
            label=gettext_lazy("Ranges"),
            required=False,
            widget=area,
            help_text=gettext_lazy(
                "A parameter a line with its range, low..high with log where its size counts, or with choices "
                "between commas. Empty is one training with the values above."
            ),
        ),
        "search.trials": forms.IntegerField(
            label=gettext_lazy("Trials"),
            required=False,
            min_value=1,
            max_value=MOST_TRIALS,
            initial=DEFAULTS["trials"],
            help_text=gettext_lazy("So many trainings at most; the budget is that of all together."),
        ),
        "search.metric": forms.CharField(
            label=gettext_lazy("Metric"),
            required=False,
            max_length=200,
            initial=DEFAULTS["metric"],
            help_text=gettext_lazy("The figure on held-out rows by which they are compared."),
        ),
        "search.direction": forms.ChoiceField(
            label=gettext_lazy("Better is"),
            required=False,
            initial=DEFAULTS["direction"],
            choices=list(zip(DIRECTIONS, (gettext_lazy("lower"), gettext_lazy("higher")), strict=True)),
        ),
        "search.prune": forms.BooleanField(
            label=gettext_lazy("Give up trials that are worse than most"),
            required=False,
            initial=DEFAULTS["prune"],
        ),
    }


def like_search(search: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a search as a form begins with them."""
    if not search:
        return {}
    known = {**search, "ranges": write_ranges(search["ranges"])}
    return {f"search.{name}": value for name, value in known.items()}


def taken_search(given: dict[str, Any]) -> dict[str, Any] | None:
    """Takes the search out of a form's values; None where it names no range."""
    asked = {name: given.pop(f"search.{name}") for name in ("ranges", *DEFAULTS)}
    filled = {name: value for name, value in asked.items() if value not in (None, "")}
    return filled if asked["ranges"] else None
