"""What leads fill in about the queue and about gold; each form hands its values to one action."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from feedback.actions.queue_settings import MOST_PAY, QueueSettings
from feedback.actions.slots import MOST_PEOPLE
from feedback.models import Project, Tag

USES = (
    ("gold", _("Gold: a known answer, mixed in like any other item")),
    ("attention", _("Attention: so plain that only somebody who does not read gets it wrong")),
    ("practice", _("Practice: comes before the real queue, its answer explained")),
)


class QueueForm(forms.Form):
    """The queue's settings; shares are in percent, the lease in minutes."""

    overlap = forms.IntegerField(
        min_value=0,
        max_value=MOST_PEOPLE,
        label=_("People for each comparison"),
        help_text=_(
            "For new comparisons, where no rule below says otherwise. Those that are there keep theirs."
        ),
    )
    batch_size = forms.IntegerField(
        min_value=1,
        max_value=50,
        label=_("Items held at once"),
        help_text=_(
            "The item at hand and those loaded ahead. 2 is enough for the next one to be there at once."
        ),
    )
    lease_minutes = forms.IntegerField(
        min_value=1,
        max_value=1440,
        label=_("Minutes until an item goes back"),
        help_text=_("Counted from the last sign that the page is open."),
    )
    cap_per_day = forms.IntegerField(
        required=False,
        min_value=1,
        label=_("Items a person and day, at most"),
        help_text=_("Empty: no limit."),
    )
    cap_per_person = forms.IntegerField(
        required=False,
        min_value=1,
        label=_("Items a person in all, at most"),
        help_text=_("Empty: no limit."),
    )
    gold_rate = forms.FloatField(
        min_value=0,
        max_value=50,
        label=_("Gold items, in % of what a person is given"),
        help_text=_("Each person meets each gold item once at most; who has met them all is given no more."),
    )
    attention_rate = forms.FloatField(min_value=0, max_value=50, label=_("Attention checks, in %"))
    repeat_rate = forms.FloatField(
        min_value=0,
        max_value=50,
        label=_("Repeats of their own items, in %"),
        help_text=_("Each comes again once, with at least 30 other answers in between."),
    )
    gold_minimum = forms.FloatField(
        required=False,
        min_value=1,
        max_value=100,
        label=_("Stop somebody under this share of right gold answers, in %"),
        help_text=_(
            "Empty: nobody is stopped. Gold and attention count alike; a tie is right only where it is known."
        ),
    )
    gold_window = forms.IntegerField(
        min_value=1,
        max_value=1000,
        label=_("Counted over their last so many gold answers"),
        help_text=_("Nobody is stopped before they have given half so many."),
    )

    pay_per_hour = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=MOST_PAY,
        label=_("What an hour of a person costs, in dollars"),
        help_text=_("A policy's preview sets it against what judges cost. Empty: not known."),
    )

    @staticmethod
    def initial_of(project: Project) -> dict[str, Any]:
        """The settings as the form shows them."""
        names = ("overlap", "batch_size", "cap_per_day", "cap_per_person", "gold_window", "pay_per_hour")
        shares = ("gold_rate", "attention_rate", "repeat_rate", "gold_minimum")
        return {
            **{name: getattr(project, name) for name in names},
            **{name: _percent(getattr(project, name)) for name in shares},
            "lease_minutes": max(1, project.lease_seconds // 60),
        }

    def settings(self) -> QueueSettings:
        data = dict(self.cleaned_data)
        minutes = data.pop("lease_minutes")
        for name in ("gold_rate", "attention_rate", "repeat_rate", "gold_minimum"):
            data[name] = None if data[name] is None else data[name] / 100
        return QueueSettings(lease_seconds=60 * minutes, **data)


class SliceRuleForm(forms.Form):
    tag = forms.ChoiceField()
    overlap = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_PEOPLE,
        label=_("People for each comparison"),
        help_text=_("Empty: as the project has it."),
    )
    language = forms.CharField(
        required=False,
        max_length=35,
        label=_("Language"),
        help_text=_("Given only to people with this language, by the name that stands with the members."),
    )
    skill = forms.CharField(required=False, max_length=60, label=_("Skill"))

    def __init__(self, *args: Any, tags: Sequence[Tag], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(tag.pk), tag.name) for tag in tags]
        self.fields["tag"] = forms.ChoiceField(label=_("Tag"), choices=choices)


class GoOnForm(forms.Form):
    reason = forms.CharField(max_length=1000, label=_("Why they may go on"))


class GoldForm(forms.Form):
    """A known answer: a rank for each response in canonical order, from 1; equal ranks are ties."""

    use = forms.ChoiceField(choices=USES, label=_("Use"), widget=forms.RadioSelect)
    explanation = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("Explanation"),
        help_text=_("Markdown. Annotators read it after a practice item, and never after gold."),
    )

    def __init__(self, *args: Any, responses: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for position in range(responses):
            self.fields[f"rank_{position}"] = forms.TypedChoiceField(
                choices=[("", "–"), *((rank, rank) for rank in range(1, responses + 1))],
                coerce=int,
                # It stands beside its response, outside the form's own element.
                widget=forms.Select(attrs={"form": "gold-form"}),
                label=_("Rank of response %(number)s") % {"number": position + 1},
            )
        self.responses = responses

    @property
    def ranking(self) -> tuple[int, ...]:
        return tuple(self.cleaned_data[f"rank_{position}"] for position in range(self.responses))

    @property
    def ranks(self) -> list[forms.BoundField]:
        return [self[f"rank_{position}"] for position in range(self.responses)]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)
