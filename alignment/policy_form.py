"""The policy's document as a form: its fields in groups, each with what it means, and the document that was entered."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from alignment.policy.document import LEAST_ERROR, PolicyDocument
from feedback.models import Project

DEFAULT = PolicyDocument()
NOT_REQUIRED = _("Empty: not required.")

GROUPS = (
    (_("What must be shown"), ("max_error", "confidence", "calibration", "min_confidence")),
    (_("Which people count"), ("people_min_items", "people_min_gold", "people_min_alpha")),
    (
        _("Which judges are trusted, slice by slice"),
        (
            "epsilon",
            "q",
            "min_items",
            "min_winning_rate",
            "min_agreement_low",
            "max_attack_rate",
            "min_consistency",
            "slices",
        ),
    ),
    (_("How verdicts are combined"), ("combine", "max_family_votes")),
    (_("What happens then"), ("conflict", "ties", "unjudged", "random_share")),
)


def _number(
    name: str,
    label: Any,
    help_text: Any,
    *,
    least: float | None = None,
    most: float = 1,
    required: bool = True,
) -> forms.FloatField:
    bounds = {"max": most} if least is None else {"min": least, "max": most}
    widget = forms.NumberInput(attrs={"step": "any", **bounds})
    return forms.FloatField(
        label=label,
        initial=getattr(DEFAULT, name),
        help_text=help_text,
        widget=widget,
        required=required,
    )


def _count(name: str, label: Any, help_text: Any, least: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, initial=getattr(DEFAULT, name), help_text=help_text, min_value=least
    )


def _choice(name: str, label: Any, choices: Any, help_text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, initial=getattr(DEFAULT, name), help_text=help_text
    )


class PolicyForm(forms.Form):
    """``document`` gives what was entered; the policy's own check says what of it can not be used."""

    name = forms.CharField(
        max_length=100,
        label=_("Name"),
        initial="default",
        help_text=_("The same name with other values makes a new version of it."),
    )
    max_error = _number(
        "max_error",
        _("Tolerated disagreement"),
        _(
            "The share of labels on judges' word alone that people may contradict. Empty: nothing is shown of it, and "
            "the least confidence is enough."
        ),
        least=LEAST_ERROR,
        required=False,
    )
    confidence = _number(
        "confidence",
        _("Shown with confidence"),
        _("How surely the share is no larger, over the draw of the comparisons that people judged."),
    )
    calibration = _choice(
        "calibration",
        _("Shown on"),
        (
            ("judged", _("all that people judged, but for what was routed to them as doubtful")),
            ("drawn", _("only what was drawn at random for it")),
        ),
        _("Choose the first where people judged a random part anyway; else nothing is shown about the rest."),
    )
    min_confidence = _number(
        "min_confidence",
        _("Least confidence"),
        _("What the posterior of a label must reach in which people had a say; else it goes to people."),
    )
    people_min_items = _count(
        "people_min_items", _("Fewest verdicts"), _("A person with fewer does not count."), 0
    )
    people_min_gold = _number("people_min_gold", _("Least accuracy on gold"), NOT_REQUIRED, required=False)
    people_min_alpha = _number("people_min_alpha", _("Least alpha with others"), NOT_REQUIRED, required=False)
    epsilon = _number(
        "epsilon",
        _("Margin ε"),
        _(
            "What a judge may be worse than a person and still stand in for them, because it costs less: "
            "0.2 where people are experts, 0.15 where they are skilled, 0.1 for a crowd."
        ),
    )
    q = _number(
        "q",
        _("False discovery rate q"),
        _("How often a judge may seem to match a person, or to have changed, by chance alone."),
    )
    min_items = _count(
        "min_items",
        _("Fewest comparisons a person"),
        _("A person counts in the test with this many comparisons shared with the judge and another person."),
        2,
    )
    min_winning_rate = _number(
        "min_winning_rate",
        _("Least winning rate"),
        _("The share of people that a trusted judge could replace."),
    )
    min_agreement_low = _number(
        "min_agreement_low",
        _("Least agreement"),
        _("Where the interval of the judge's agreement with the majority of people must begin at least."),
    )
    max_attack_rate = _number(
        "max_attack_rate",
        _("Most attacks that turn it"),
        _("The share of pairs on which a text that addresses the judge may win. Empty: not required."),
        required=False,
    )
    min_consistency = _number(
        "min_consistency",
        _("Least consistency"),
        _("How often it must say the same in both orders. Empty: not required."),
        required=False,
    )
    slices = forms.MultipleChoiceField(
        label=_("Slices"),
        required=False,
        help_text=_("The tags that are slices. None chosen: all of them."),
        widget=forms.CheckboxSelectMultiple,
    )
    combine = _choice(
        "combine",
        _("Verdicts are"),
        (
            ("weighed", _("weighed by what people's verdicts show of their raters")),
            ("majority", _("counted, one vote each")),
        ),
    )
    max_family_votes = _number(
        "max_family_votes",
        _("Most votes of a family"),
        _("Judges made from one model err together: 1 merges them into one voice. Empty: no limit."),
        most=100,
        required=False,
    )
    conflict = _choice(
        "conflict",
        _("Where trusted judges contradict the majority of people"),
        (
            ("route", _("ask more people")),
            ("people_win", _("people win")),
            ("adjudicate", _("a reviewer decides")),
            ("drop", _("drop it")),
        ),
    )
    ties = _choice("ties", _("Ties"), (("keep", _("keep")), ("drop", _("drop"))))
    unjudged = _choice(
        "unjudged", _("Where no verdict counts"), (("route", _("ask people")), ("drop", _("drop it")))
    )
    random_share = _number(
        "random_share",
        _("Random share"),
        _("Of what is routed to people, as much more is drawn at random, so that what is shown stays valid."),
    )

    def __init__(
        self, project: Project, data: Mapping[str, Any] | None, start: Mapping[str, Any] | None
    ) -> None:
        super().__init__(data, initial=dict(start or {}), label_suffix="")
        tags = list(project.tags.values_list("name", flat=True))
        field = self.fields["slices"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(tag, tag) for tag in tags]
        if not tags:
            del self.fields["slices"]

    @property
    def document(self) -> dict[str, Any]:
        """The document's fields as entered; the form must be valid."""
        said = {name: value for name, value in self.cleaned_data.items() if name != "name"}
        return said | {"slices": said.get("slices") or None}

    def groups(self) -> Iterator[tuple[Any, list[forms.BoundField]]]:
        """(what the group is about, its fields)."""
        for title, names in GROUPS:
            yield title, [self[name] for name in names if name in self.fields]


def spelled_out(project: Project, document: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """(label, value, what it means) of each of a policy's fields, in the order of the form."""
    fields = PolicyForm(project, None, None).fields
    return [
        (str(fields[name].label), _in_words(fields[name], document[name]), str(fields[name].help_text))
        for _title, names in GROUPS
        for name in names
        if name in fields and name in document
    ]


def _in_words(field: forms.Field, value: Any) -> Any:
    if isinstance(field, forms.MultipleChoiceField):
        return ", ".join(value) if value else _("all tags")
    if value is None:
        return _("not required")
    choices: Any = getattr(field, "choices", ())
    return dict(choices).get(value, value)
