"""An answer as the annotator's page sends it, read: sides, ranks and places are those that were *shown*."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from feedback.answers import LONGEST_RATIONALE, SKIP_REASONS, AnswerForm, Choice, SpanComment, Verdict
from feedback.errors import Refused
from feedback.models import Criterion, Outcome

LONGEST = 86_400.0  # seconds on one comparison; a page left open over night says nothing about effort
SIDES = {"a": (1, 2), "b": (2, 1), "tie": (1, 1)}


class AnswerFields(forms.Form):
    """The fields that every answer has. ``shown`` is the page's proof of the order, which the view checks."""

    comparison = forms.IntegerField(min_value=1, max_value=2**62)
    submission_id = forms.UUIDField()
    shown = forms.CharField(max_length=64)
    seconds = forms.FloatField(required=False, min_value=0)
    rationale = forms.CharField(required=False, max_length=LONGEST_RATIONALE, strip=True)
    all_bad = forms.BooleanField(required=False)


def checked_fields(data: QueryDict) -> dict[str, Any]:
    """The fields that every answer has. Refused, with the field at fault."""
    fields = AnswerFields(data)
    if not fields.is_valid():
        raise Refused(
            _("The page sent something that is no answer, so nothing was stored; choose again."),
            field=next(iter(fields.errors)),
        )
    return fields.cleaned_data


@dataclass(frozen=True)
class Reading:
    """What is needed to read an answer: the form, its criteria, and the canonical position at each place shown."""

    form: AnswerForm
    criteria: Sequence[Criterion]
    shown: tuple[int, ...]

    @property
    def kind(self) -> Choice:
        return self.form.kind(len(self.shown), criteria=len(self.criteria))

    def verdict(self, data: QueryDict, fields: dict[str, Any]) -> Verdict:
        """The answer against canonical positions. Refused, with the field: a part that misses or is wrong."""
        seconds = fields["seconds"]
        seconds = None if seconds is None else min(seconds, LONGEST)
        flags = tuple(data.getlist("flags"))
        if "skip" in data:
            reason = _skip_reason(data, fields["rationale"])
            return Verdict(outcome=Outcome.SKIPPED, rationale=reason, seconds=seconds, flags=flags)
        ranks, strength = self._preference(data)
        return Verdict(
            ranking=self._canonical(ranks),
            strength=strength,
            rationale=fields["rationale"],
            seconds=seconds,
            scores=self._scores(data),
            all_bad=fields["all_bad"],
            spans=self._spans(data.get("spans", "")),
            flags=flags,
        )

    def _preference(self, data: QueryDict) -> tuple[tuple[int, ...], int | None]:
        """(ranks by place shown, strength); no ranks where they follow from the scores."""
        if self.kind == "pair":
            return _side(data.get("choice", "")), None
        if self.kind == "strength":
            return self._strength(data.get("strength", ""))
        if self.kind == "ranking":
            return self._ranks(data), None
        return (), None

    def _strength(self, given: str) -> tuple[tuple[int, ...], int | None]:
        steps = self.form.steps
        allowed = {str(value): value for value in range(-steps, steps + 1)}
        value = allowed.get(given)
        if value is None or (value == 0 and not self.form.ties("strength")):
            raise Refused(_("Choose which response is better, and by how much."), field="strength")
        side = "tie" if value == 0 else "a" if value < 0 else "b"
        return SIDES[side], abs(value) or None

    def _ranks(self, data: QueryDict) -> tuple[int, ...]:
        count = len(self.shown)
        allowed = {str(rank): rank for rank in range(1, count + 1)}
        for place in range(count):
            if data.get(f"rank_{place}") not in allowed:
                raise Refused(
                    _("Give every response a rank from 1 to %(count)d, or skip the comparison.")
                    % {"count": count},
                    field=f"rank_{place}",
                )
        return tuple(allowed[str(data[f"rank_{place}"])] for place in range(count))

    def _canonical(self, ranks: tuple[int, ...]) -> tuple[int, ...]:
        """Ranks by place shown → ranks by canonical position, without gaps: 1, 3, 3 says the same as 1, 2, 2."""
        levels = sorted(set(ranks))
        by_position = {
            position: levels.index(rank) + 1 for position, rank in zip(self.shown, ranks, strict=False)
        }
        return tuple(by_position[position] for position in sorted(by_position))

    def _scores(self, data: QueryDict) -> dict[tuple[int, int], int]:
        return {
            (criterion.pk, position): _level(data, criterion, f"score_{criterion.pk}_{place}")
            for criterion in self.criteria
            for place, position in enumerate(self.shown)
        }

    def _spans(self, given: str) -> tuple[SpanComment, ...]:
        if not given or given == "[]":
            return ()
        try:
            found = json.loads(given)
            if not isinstance(found, list):
                raise ValueError("spans are a list")
            return tuple(self._span(**span) for span in found)
        except (ValueError, TypeError, RecursionError):
            raise Refused(
                _("The comments on parts can not be read; mark them again."), field="spans"
            ) from None

    def _span(self, *, place: int, start: int, end: int, comment: str) -> SpanComment:
        numbers = (place, start, end)
        if any(type(number) is not int for number in numbers) or not isinstance(comment, str):
            raise ValueError("a span is three whole numbers and a text")
        if not 0 <= place < len(self.shown) or max(numbers) > 2**31 - 1 or "\x00" in comment:
            raise ValueError("there is no such place")
        comment.encode()  # half a surrogate pair is no character
        return SpanComment(self.shown[place], start, end, comment.strip())


def _side(choice: str) -> tuple[int, ...]:
    if choice not in SIDES:
        raise Refused(_("Choose which response is better, or skip the comparison."), field="choice")
    return SIDES[choice]


def _level(data: QueryDict, criterion: Criterion, name: str) -> int:
    levels = {str(level): level for level in range(criterion.scale_min, criterion.scale_max + 1)}
    given = data.get(name, "")
    if given not in levels:
        raise Refused(_("Score every response on %(criterion)s.") % {"criterion": criterion.name}, field=name)
    return levels[given]


def _skip_reason(data: QueryDict, rationale: str) -> str:
    """The reason's code, and after a colon what was written besides."""
    code = data["skip"] if data["skip"] in SKIP_REASONS else data.get("skip_reason", "")
    if code not in SKIP_REASONS:
        raise Refused(_("Say why you skip this comparison."), field="skip_reason")
    return f"{code}: {rationale}" if rationale else code
