"""The items that measure people, mixed into their queue: practice, gold, attention checks and repeats.

Each place in a person's sequence (what they have answered and hold) has its own draw, made with the server's secret:
nobody can foretell it, and asking again at the same place, after a lease was given back, gives the same. Nothing
here looks through what a person has done; the cost is bounded by the project's measuring items.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from feedback.models import Assignment, Comparison, Judgment, Outcome, Purpose, Rater, Slot
from feedback.queries.measuring import unmet, unpractised, unrecognisable
from feedback.statements import rows

REPEAT_AFTER = 30  # other answers come between an item and its repeat
REPEAT_AMONG = 100  # answers before those, of which one is repeated
_ANY_PRACTICE = """
SELECT 1 FROM feedback_comparison
WHERE project_id = %s AND purpose = 'practice' AND retired_at IS NULL LIMIT 1
"""


@dataclass(frozen=True)
class PracticeFeedback:
    """What somebody is told after a practice item. ``ranks_shown`` is the known answer by place shown."""

    right: bool
    ranks_shown: tuple[int, ...]
    explanation: str


def next_extra(rater: Rater) -> Comparison | None:
    """The measuring item that is due for this person now, or None: practice first, then by the project's rates."""
    if rater.practised_at is None:
        practice = _practice(rater)
        if practice:
            return practice
        if rater.answered:
            end_practice(rater)
    project = rater.project
    rates = {
        Purpose.GOLD: project.gold_rate,
        Purpose.ATTENTION: project.attention_rate,
        Purpose.REPEAT: project.repeat_rate,
    }
    return _mixed_in(rater, rates) if any(rates.values()) else None


def _practice(rater: Rater) -> Comparison | None:
    """The first practice item that is new to this person; most projects have none at all."""
    if not rows(_ANY_PRACTICE, [rater.project_id]):
        return None
    return unmet(rater, Purpose.PRACTICE).order_by("pk").first()


def end_practice(rater: Rater) -> None:
    """Let this person's real work begin, unless practice items are left for them; those added later are not theirs."""
    if rater.practised_at is None and not unpractised(rater).exists():
        rater.practised_at = timezone.now()
        Rater.objects.filter(pk=rater.pk, practised_at=None).update(practised_at=rater.practised_at)


def feedback_on(judgment: Judgment) -> PracticeFeedback | None:
    """What this answer to a practice item is met with; None for every other item, whatever is known of it."""
    comparison = judgment.comparison
    if comparison.purpose != Purpose.PRACTICE:
        return None
    known = comparison.gold_answer
    return PracticeFeedback(
        right=judgment.ranking == known.ranking,
        ranks_shown=tuple(known.ranking[position] for position in judgment.shown),
        explanation=known.explanation,
    )


def repeat_of(comparison: Comparison) -> Comparison:
    """The twin that stands for ``comparison`` when somebody is asked again, made on first use."""
    with transaction.atomic():
        twin, created = Comparison.objects.get_or_create(
            repeat_of=comparison,
            defaults={
                "project_id": comparison.project_id,
                "prompt_id": comparison.prompt_id,
                "external_id": f"repeat:{comparison.pk}",
                "content_sha256": comparison.content_sha256,
                "purpose": Purpose.REPEAT,
                "overlap": 0,
            },
        )
        if created:
            slots = comparison.slots.order_by("position").values_list("response_id", "position", "key")
            Slot.objects.bulk_create(
                Slot(comparison=twin, response_id=response, position=position, key=key)
                for response, position, key in slots
            )
    return twin


def _mixed_in(rater: Rater, rates: dict[Purpose, float]) -> Comparison | None:
    chance, pick = _draw(rater)
    for purpose, rate in rates.items():
        if chance < rate:
            return _repeat(rater, pick) if purpose == Purpose.REPEAT else _check(rater, purpose, pick)
        chance -= rate
    return None


def _draw(rater: Rater) -> tuple[float, float]:
    """Two numbers in [0, 1) for the place in the sequence that this person has come to."""
    held = rater.assignments.filter(done_at=None, expires_at__isnull=False).count()
    answered = Rater.objects.values_list("answered", flat=True).get(pk=rater.pk)
    value = f"{rater.pk}:{answered + held}"
    digest = salted_hmac("feedback.extras", value, algorithm="sha256").digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:12]) / 2**48


def _check(rater: Rater, purpose: Purpose, pick: float) -> Comparison | None:
    """One of the checks that are new to this person, for each in an order of their own; None after the last."""
    found = list(unrecognisable(rater, purpose).order_by("pk").values_list("pk", flat=True))
    return Comparison.objects.get(pk=found[int(pick * len(found))]) if found else None


def _repeat(rater: Rater, pick: float) -> Comparison | None:
    """The twin of something this person judged a while ago and was not asked again; None where nothing is."""
    recent = list(
        rater.judgments.order_by("-at", "-pk").values_list("comparison_id", flat=True)[
            : REPEAT_AFTER + REPEAT_AMONG
        ]
    )
    between, before = set(recent[:REPEAT_AFTER]), set(recent[REPEAT_AFTER:])
    again = Assignment.objects.filter(comparison__repeat_of=OuterRef("pk"), rater=rater)
    again = again.filter(Q(done_at__isnull=False) | Q(expires_at__isnull=False))
    verdict = Judgment.objects.filter(
        comparison=OuterRef("pk"), rater=rater, current=True, outcome=Outcome.RANKED
    )
    fit = Comparison.objects.filter(
        Exists(verdict),
        ~Exists(again),
        pk__in=before - between,
        purpose=Purpose.TRAIN,
        retired_at=None,
    )
    found = list(fit.order_by("pk"))
    return repeat_of(found[int(pick * len(found))]) if found else None
