"""A rubric as it is written: its instructions, and any number of criteria in an order of their own.

Each criterion's fields carry its key, and the keys come in the order of the page. So to add a criterion, to move it
and to take it out is to change the list of keys, and nothing of what was written is lost.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.models import ScoredBy
from judges.core.rubric import MOST_CRITERIA, MOST_LEVELS, BadRubric, CriterionText, RubricText
from judges.core.rubric_documents import LARGEST, rubric_from_text

KEY = "criterion"
_KEY = re.compile(r"c[0-9]{1,6}")
MOST_ANCHORS = 11  # levels with a field each; of a longer scale its ends and its middle have one
SCORED_BY = (
    (ScoredBy.BOTH, gettext_lazy("People and judges")),
    (ScoredBy.PEOPLE, gettext_lazy("People")),
    (ScoredBy.JUDGES, gettext_lazy("Judges")),
)

Values = Mapping[str, Any]


class CriterionForm(forms.Form):
    """One criterion; its prefix is its key. The anchors' fields follow its scale."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))
    description = forms.CharField(
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label=gettext_lazy("What it means"),
    )
    scale_min = forms.IntegerField(initial=1, label=gettext_lazy("Lowest level"))
    scale_max = forms.IntegerField(initial=5, label=gettext_lazy("Highest level"))
    weight = forms.FloatField(
        min_value=0,
        initial=1.0,
        label=gettext_lazy("Weight"),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    scored_by = forms.ChoiceField(
        choices=SCORED_BY, initial=ScoredBy.BOTH, label=gettext_lazy("Who scores it")
    )

    def __init__(self, key: str, data: QueryDict | None = None, initial: Values | None = None) -> None:
        super().__init__(data, prefix=key, initial=dict(initial or {}))
        self.key = key
        self.use_required_attribute = False  # a script may add and take out criteria before they are whole
        for level in self._levels():
            self.fields[f"anchor_{level}"] = forms.CharField(
                required=False,
                max_length=1_000,
                widget=forms.Textarea(attrs={"rows": 1}),
                label=_("Level %(level)d") % {"level": level},
            )

    def _levels(self) -> list[int]:
        try:
            low, high = (int(self[name].value()) for name in ("scale_min", "scale_max"))
        except (TypeError, ValueError):
            return []
        if high - low < MOST_ANCHORS:
            return list(range(low, high + 1))
        anchored = {int(name.removeprefix("anchor_")) for name in self.initial if name.startswith("anchor_")}
        return sorted({low, (low + high) // 2, high} | {level for level in anchored if low <= level <= high})

    @property
    def some_levels_are_left_out(self) -> bool:
        levels = self._levels()
        return bool(levels) and len(levels) <= levels[-1] - levels[0]

    @property
    def anchors(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("anchor_")]

    @property
    def title(self) -> str:
        return str(self["name"].value() or _("New criterion"))

    def preview(self) -> CriterionText:
        """What is written so far; where something is missing or wrong, what it is by default."""
        values = {name: self[name].value() for name in self.fields}
        levels = self._levels() or [1, 5]
        return CriterionText(
            name=self.title,
            description=str(values["description"] or ""),
            scale_min=levels[0],
            scale_max=min(levels[-1], levels[0] + MOST_LEVELS - 1),
            anchors={level: text for level in levels if (text := values.get(f"anchor_{level}"))},
            weight=_number(values["weight"]),
            scored_by=str(values["scored_by"] or ScoredBy.BOTH),
        )

    def criterion(self) -> CriterionText:
        said = self.cleaned_data
        anchors = {
            int(name.removeprefix("anchor_")): text
            for name, text in said.items()
            if name.startswith("anchor_") and text
        }
        plain = {name: value for name, value in said.items() if not name.startswith("anchor_")}
        return CriterionText(**plain, anchors=anchors)


class RubricForm(forms.Form):
    """A rubric's name, instructions and criteria; a name that is ``fixed`` belongs to the rubric being changed."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))
    instructions = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5}),
        label=gettext_lazy("Instructions"),
        help_text=gettext_lazy("What to judge by, in words. A judge reads them before the criteria."),
    )

    def __init__(
        self,
        criteria: Iterable[CriterionForm],
        data: QueryDict | None = None,
        initial: Values | None = None,
        *,
        fixed: str = "",
        taken: Iterable[str] = (),
    ) -> None:
        super().__init__(data, initial=dict(initial or {}) | ({"name": fixed} if fixed else {}))
        self.criteria = list(criteria)
        self.taken = frozenset(taken)
        self.fields["name"].disabled = bool(fixed)
        self.use_required_attribute = False

    @classmethod
    def of(cls, rubric: RubricText, **kwargs: Any) -> "RubricForm":
        criteria = [
            CriterionForm(f"c{place}", initial=_initial(criterion))
            for place, criterion in enumerate(rubric.criteria)
        ]
        return cls(criteria, initial={"name": rubric.name, "instructions": rubric.instructions}, **kwargs)

    @classmethod
    def sent(cls, data: QueryDict, **kwargs: Any) -> "RubricForm":
        """What was sent to be stored."""
        return cls([CriterionForm(key, data) for key in _keys(data)], data, **kwargs)

    @classmethod
    def draft(cls, data: QueryDict, *, focus: str, mark: str, **kwargs: Any) -> "RubricForm":
        """What was sent to go on writing: half of it may be missing, and nothing is complained of.

        The attribute ``mark`` goes to the name of the criterion whose key is ``focus``.
        """
        criteria = [CriterionForm(key, initial=_under(f"{key}-", data)) for key in _keys(data)]
        for criterion in criteria:
            if criterion.key == focus:
                criterion.fields["name"].widget.attrs[mark] = True
        return cls(criteria, initial=data.dict(), **kwargs)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in self.taken:
            raise forms.ValidationError(
                _("The project has a rubric of this name; change that one, or choose another name.")
            )
        return name

    def is_valid(self) -> bool:
        return all([super().is_valid(), *(criterion.is_valid() for criterion in self.criteria)])

    def rubric(self) -> RubricText:
        return RubricText(**self.cleaned_data, criteria=tuple(each.criterion() for each in self.criteria))

    def preview(self) -> RubricText:
        """What is written so far."""
        written = {name: str(self[name].value() or "") for name in ("name", "instructions")}
        return RubricText(**written, criteria=tuple(each.preview() for each in self.criteria))


class RubricImportForm(forms.Form):
    """A rubric as a document. Its field is ``document``; a file is read into it by the browser."""

    document = forms.CharField(
        max_length=LARGEST,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "class": "mono", "spellcheck": "false"}),
        label=gettext_lazy("Rubric"),
        help_text=gettext_lazy("JSON or YAML, as the page of a rubric exports it."),
    )

    def clean_document(self) -> RubricText:
        try:
            return rubric_from_text(self.cleaned_data["document"])
        except BadRubric as bad:
            raise forms.ValidationError(_("The rubric's %(problem)s.") % {"problem": bad}) from None


class Arrangement(NamedTuple):
    """A form's data after a button, the key of the criterion to go on with, and what happened in words."""

    data: QueryDict
    focus: str
    said: str


def rearranged(data: QueryDict, deed: str) -> Arrangement:
    """After a button: ``add``, or ``remove``, ``up`` or ``down`` with a dash and a criterion's key."""
    verb, _dash, key = deed.partition("-")
    keys = _keys(data)
    if verb == "add" and len(keys) < MOST_CRITERIA:
        return _added(data, keys)
    if key not in keys or verb not in ("remove", "up", "down"):
        return Arrangement(data, "", "")
    place = keys.index(key)
    keys.remove(key)
    if verb != "remove":
        keys.insert(max(0, place + (1 if verb == "down" else -1)), key)
    words = {"name": data.get(f"{key}-name") or _("New criterion"), "total": len(keys)}
    if verb == "remove":
        focus = keys[min(place, len(keys) - 1)] if keys else ""
        return Arrangement(_with(data, keys), focus, _("%(name)s is taken out.") % words)
    said = _("%(name)s is number %(place)d of %(total)d now.") % {**words, "place": keys.index(key) + 1}
    return Arrangement(_with(data, keys), "", said)


def _added(data: QueryDict, keys: list[str]) -> Arrangement:
    key = next(name for number in range(len(keys) + 1) if (name := f"c{number}") not in keys)
    defaults = {"scale_min": "1", "scale_max": "5", "weight": "1"}
    changed = _with(data, [*keys, key])
    for name in [name for name in changed if name.startswith(f"{key}-")]:
        del changed[name]  # of one that was taken out before
    changed.update({f"{key}-{name}": value for name, value in defaults.items()})
    said = _("There is a new criterion, number %(place)d.") % {"place": len(keys) + 1}
    return Arrangement(changed, key, said)


def _with(data: QueryDict, keys: list[str]) -> QueryDict:
    changed = data.copy()
    changed.setlist(KEY, keys)
    return changed


def _keys(data: QueryDict) -> list[str]:
    """The criteria's keys in the order of the page, each once; what is no key of ours is left out."""
    given = dict.fromkeys(data.getlist(KEY))
    return [key for key in given if _KEY.fullmatch(key)][:MOST_CRITERIA]


def _under(prefix: str, data: QueryDict) -> dict[str, str]:
    return {name.removeprefix(prefix): data.get(name, "") for name in data if name.startswith(prefix)}


def _initial(criterion: CriterionText) -> dict[str, Any]:
    anchors = {f"anchor_{level}": text for level, text in criterion.anchors.items()}
    return {name: value for name, value in vars(criterion).items() if name != "anchors"} | anchors


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 1.0
    return number if number >= 0 else 1.0
