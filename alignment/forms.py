"""The columns of a file chosen on a page: what they are taken for at first, and the mapping that the choice makes."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alignment.formats.mapping import NO_JUDGMENT
from feedback.models import RaterKind
from feedback.templatetags.verdicts import WORDS

MOST_RESPONSES = 9
MOST_VALUES = 12  # different values of a winner's column; more of them are no verdicts
_NUMBER = r"[ _.-]?0*{n}$"
_LETTER = r"[ _.-]?{letter}$"
_GUESSES = {
    "id": r"^(id|uid|qid|key|(question|example|prompt|sample|external|row|item)_?id)$",
    "prompt": r"^(prompt|instruction|question|query|input|user|message|context|text|messages)$",
    "winner": r"^(winner|label|choice|preferred|preference|verdict|gold|overall_preference)$",
    "rater": r"^(rater|annotator|annotator_id|worker|worker_id|judge|labeler|labeller|user_id)$",
    "rationale": r"^(rationale|reason|reasoning|comment|explanation|justification)$",
    "reference": r"^(reference|reference_answer|ground_truth|answer|target)$",
    "language": r"^(language|lang|locale)$",
    "tags": r"^(tag|tags|subset|category|domain|topic|task)$",
}
_TEXTS = r"(response|answer|completion|output|candidate|reply|conversation|option|text)"
_SOURCES = r"(model|source|policy|system|engine)"
_FIRST = {
    "1",
    "a",
    "first",
    "left",
    "model_a",
    "response_1",
    "response_a",
    "answer1",
    "answer_a",
    "chosen",
    "one",
}
_SECOND = {"2", "b", "second", "right", "model_b", "response_2", "response_b", "answer2", "answer_b", "two"}
_TIE = {"tie", "0", "equal", "same", "draw", "both", "tie (bothbad)", "="}

MEANINGS = (
    ("1", gettext_lazy("the first response is better")),
    ("2", gettext_lazy("the second response is better")),
    ("tie", gettext_lazy("a tie")),
    (NO_JUDGMENT, gettext_lazy("no judgment")),
)


class MappingForm(forms.Form):
    """Which column of the file is what. Its fields follow from the columns and the number of responses."""

    def __init__(
        self, columns: Sequence[str], values_in: Callable[[str], list[str]], data: QueryDict | None
    ) -> None:
        chosen = copy(data) if data is not None and "count" in data else guess(columns)
        self.columns = columns
        self.count = _count(str(chosen.get("count", "2")))
        self.values = _verdict_values(self.count, str(chosen.get("winner", "")), values_in)
        # Another winner's column has other values, of which the address does not speak yet.
        for name, value in self.values.items():
            chosen.setdefault(name, guess_meaning(value))
        super().__init__(chosen, auto_id="map_%s")
        self.fields.update(self._fields())

    def document(self) -> dict[str, Any]:
        """The mapping, as ``alignment.formats.mapping`` reads it; the form must be valid."""
        said = self.cleaned_data
        tags = [*said["tags"], said["language"]]
        document = {
            "id": said["id"],
            "prompt": list(dict.fromkeys(name for name in (said["prompt"], said["prompt_2"]) if name)),
            "responses": [self._response(number) for number in self._numbers()],
            "tags": list(dict.fromkeys(tag for tag in tags if tag)),
            "reference": said["reference"],
            "metadata": said["metadata"],
            "judgments": [_filled(each) for each in self._judgments()],
            "verdicts": {value: said[name] for name, value in self.values.items()},
        }
        return _filled(document)

    def left_out(self) -> list[str]:
        """The columns that nothing is taken from."""
        used: set[str] = set()
        for value in self.cleaned_data.values():
            used.update(value if isinstance(value, list) else [str(value)])
        return [column for column in self.columns if column not in used]

    def responses(self) -> list[list[forms.BoundField]]:
        """The fields of each response: its text, its source and its rank."""
        return [
            [self[f"{part}_{number}"] for part in ("text", "source", "rank")] for number in self._numbers()
        ]

    def meanings(self) -> list[forms.BoundField]:
        """One field for each value of the winner's column."""
        return [self[name] for name in self.values]

    def part(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]

    def case_fields(self) -> list[forms.BoundField]:
        return self.part("id", "prompt", "prompt_2", "count")

    def judgment_fields(self) -> list[forms.BoundField]:
        return self.part("winner", "rater", "rater_name", "kind", "rationale")

    def other_fields(self) -> list[forms.BoundField]:
        return self.part("tags", "language", "reference", "metadata")

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        ranks = [bool(said.get(f"rank_{number}")) for number in self._numbers()]
        if any(ranks) and not all(ranks):
            raise forms.ValidationError(_("Choose a rank for every response, or for none."))
        if any(ranks) and said.get("winner"):
            raise forms.ValidationError(_("Choose a winner or ranks, not both."))
        return said

    def _numbers(self) -> range:
        return range(1, self.count + 1)

    def _fields(self) -> dict[str, forms.Field]:
        fields: dict[str, forms.Field] = {
            "id": self._column(_("Id"), _("What tells rows apart. Without one, the content does.")),
            "prompt": self._column(_("Prompt"), required=True),
            "prompt_2": self._column(_("Second part of the prompt"), _("It follows after an empty line.")),
            "count": forms.ChoiceField(
                label=_("Responses in a row"), choices=[(n, n) for n in range(2, MOST_RESPONSES + 1)]
            ),
        }
        for number in self._numbers():
            fields[f"text_{number}"] = self._column(_("Response %d") % number, required=True)
            fields[f"source_{number}"] = self._column(_("Source of response %d") % number)
            fields[f"rank_{number}"] = self._column(_("Rank of response %d") % number)
        if self.count == 2:
            fields["winner"] = self._column(_("Winner"), _("The column that says which response is better."))
        for name, value in self.values.items():
            fields[name] = forms.ChoiceField(
                label=_("“%s” means") % value[:60],
                choices=MEANINGS,
            )
        return fields | self._rest()

    def _rest(self) -> dict[str, forms.Field]:
        return {
            "rater": self._column(_("Rater"), _("The column that names who judged, row by row.")),
            "rater_name": forms.CharField(
                label=_("Or one name for all"), max_length=200, required=False, initial="file"
            ),
            "kind": forms.ChoiceField(
                label=_("Who judged"),
                choices=[(kind, WORDS[kind]) for kind in RaterKind.values],
                required=False,
            ),
            "rationale": self._column(_("Rationale")),
            "tags": self._columns(_("Tags"), _("Each column's value becomes a tag, and so a slice.")),
            "language": self._column(_("Language"), _("A tag too; a slice can ask for people who know it.")),
            "reference": self._column(_("Reference answer")),
            "metadata": self._columns(
                _("Keep as metadata"), _("Kept with the comparison and shown nowhere.")
            ),
        }

    def _column(self, label: str, help_text: str = "", *, required: bool = False) -> forms.ChoiceField:
        none = [] if required else [("", "–")]
        return forms.ChoiceField(
            label=label,
            help_text=help_text,
            required=required,
            choices=[*none, *((column, column) for column in self.columns)],
        )

    def _columns(self, label: str, help_text: str) -> forms.MultipleChoiceField:
        return forms.MultipleChoiceField(
            label=label,
            help_text=help_text,
            required=False,
            choices=[(column, column) for column in self.columns],
            widget=forms.SelectMultiple(attrs={"size": min(5, max(2, len(self.columns)))}),
        )

    def _response(self, number: int) -> dict[str, str]:
        said = self.cleaned_data
        return _filled({"text": said[f"text_{number}"], "source": said[f"source_{number}"]})

    def _judgments(self) -> list[dict[str, Any]]:
        said = self.cleaned_data
        ranks = [said[f"rank_{number}"] for number in self._numbers()]
        if not said.get("winner") and not all(ranks):
            return []
        who = {"rater_column": said["rater"]} if said["rater"] else {"rater": said["rater_name"] or "file"}
        what = {"ranks": ranks} if all(ranks) else {"path": said["winner"]}
        return [{**what, **who, "kind": said["kind"], "rationale": said["rationale"]}]

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or RaterKind.HUMAN


def guess(columns: Sequence[str]) -> dict[str, Any]:
    """What the columns are by their names, as the form's data; the first of several that fit, and none twice."""
    found: dict[str, Any] = {"rater_name": "file", "kind": RaterKind.HUMAN}
    texts = [_named(columns, _TEXTS, number) for number in range(1, MOST_RESPONSES + 1)]
    count = next((number for number, name in enumerate(texts) if name is None), MOST_RESPONSES)
    if count < 2 and {"chosen", "rejected"} <= set(columns):
        texts, count = ["chosen", "rejected"], 2
    found["count"] = str(max(2, count))
    for number, name in enumerate(texts[: max(2, count)], start=1):
        found[f"text_{number}"] = name or ""
        found[f"source_{number}"] = _named(columns, _SOURCES, number) or ""
        found[f"rank_{number}"] = _named(columns, "rank", number) or ""
    taken = set(found.values())
    for field, pattern in _GUESSES.items():
        fits = next((each for each in columns if re.search(pattern, each.lower()) and each not in taken), "")
        found[field] = [fits] if field == "tags" and fits else fits
        taken.add(fits)
    if any(found[f"rank_{number}"] for number in range(1, max(2, count) + 1)):
        found["winner"] = ""
    return found


def guess_meaning(value: str) -> str:
    """What a value of the winner's column says, by its look."""
    low = value.strip().lower()
    return "1" if low in _FIRST else "2" if low in _SECOND else "tie" if low in _TIE else NO_JUDGMENT


def _named(columns: Iterable[str], what: str, number: int) -> str | None:
    letter = "abcdefghi"[number - 1]
    pattern = re.compile(f"{what}({_NUMBER.format(n=number)}|{_LETTER.format(letter=letter)})", re.IGNORECASE)
    return next((column for column in columns if pattern.search(column)), None)


def _verdict_values(count: int, winner: str, values_in: Callable[[str], list[str]]) -> dict[str, str]:
    """The winner's values by the name of the field that says what each means."""
    values = values_in(winner) if winner and count == 2 else []
    return {
        f"means_{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}": value
        for value in values[:MOST_VALUES]
    }


def _count(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and 2 <= int(value[:3]) <= MOST_RESPONSES else 2


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", [], {}, None)}
