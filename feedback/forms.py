"""What people fill in on this room's pages; each form hands its values to one action."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from feedback.actions.assignments import MOST_PEOPLE
from feedback.actions.judgments import Verdict
from feedback.errors import Refused
from feedback.models import Outcome, Role, TokenScope

LONGEST = 86_400.0  # seconds on one comparison; a page left open over night says nothing about effort


class ProjectForm(forms.Form):
    name = forms.CharField(max_length=200, help_text="Short; it becomes part of the address.")
    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 3}), help_text="What this effort is for."
    )
    guidelines = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="What makes one response better than another. Markdown; annotators see it beside their work.",
    )
    overlap = forms.IntegerField(
        min_value=0,
        max_value=MOST_PEOPLE,
        initial=2,
        label="People for each comparison",
        help_text="Agreement between people needs at least 2. With 0, people are asked only about what is chosen.",
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100, help_text="What will use it, so that you know which one to revoke."
    )
    scope = forms.ChoiceField(
        choices=[(TokenScope.READ, "Read only"), (TokenScope.WRITE, "Read and write")], label="It may"
    )


class MemberForm(forms.Form):
    username = forms.CharField(
        max_length=150, help_text="Of somebody who already has an account on this server."
    )
    role = forms.ChoiceField(choices=Role.choices)

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if not User.objects.filter(username=username, is_active=True).exists():
            raise forms.ValidationError(
                f"Nobody here is called {username!r}; ask an administrator for an account."
            )
        return username


class JudgmentForm(forms.Form):
    """An answer to one comparison, as it comes from the page: sides and ranks are those that were *shown*.

    ``choice`` is ``a`` (the response shown first is better), ``b``, ``tie`` or ``skip``, or ``rank`` with a ``rank_N``
    for each response shown. ``shown`` is the page's proof of the order, which the view checks.
    """

    comparison = forms.IntegerField(min_value=1)
    submission_id = forms.UUIDField()
    shown = forms.CharField(max_length=64)
    choice = forms.ChoiceField(choices=[(name, name) for name in ("a", "b", "tie", "skip", "rank")])
    rationale = forms.CharField(required=False, max_length=20_000, strip=True)
    seconds = forms.FloatField(required=False, min_value=0)

    def verdict(self, shown: tuple[int, ...]) -> Verdict:
        """The answer against canonical positions, which were ``shown`` in this order. Refused: a response left out."""
        seconds = self.cleaned_data["seconds"]
        common: dict[str, Any] = {
            "rationale": self.cleaned_data["rationale"],
            "seconds": None if seconds is None else min(seconds, LONGEST),
        }
        if self.cleaned_data["choice"] == "skip":
            return Verdict(outcome=Outcome.SKIPPED, **common)
        return Verdict(ranking=canonical_ranking(shown, self._shown_ranks(len(shown))), **common)

    def _shown_ranks(self, count: int) -> tuple[int, ...]:
        sides = {"a": (1, 2), "b": (2, 1), "tie": (1, 1)}
        choice = self.cleaned_data["choice"]
        if choice != "rank":
            if count != 2:
                raise Refused(f"There are {count} responses here: give each of them a rank.", field="choice")
            return sides[choice]
        given = [self.data.get(f"rank_{place}", "") for place in range(count)]
        if not all(rank.isascii() and rank.isdigit() and len(rank) < 4 for rank in given):
            raise Refused("Give every response a rank, or skip the comparison.", field="rank")
        return tuple(int(rank) for rank in given)


def canonical_ranking(shown: tuple[int, ...], ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Ranks by place shown → ranks by canonical position: ``shown[place]`` is the position at that place."""
    by_position = dict(zip(shown, ranks, strict=True))
    if sorted(by_position) != list(range(len(ranks))):
        raise Refused("The page does not show the responses of this comparison; reload it.", field="shown")
    return tuple(by_position[position] for position in range(len(ranks)))
