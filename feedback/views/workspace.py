"""What the annotator's page holds: an item, or why there is none; how far the person is; what an answer is met with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from feedback.actions.assignments import take
from feedback.actions.extras import PracticeFeedback, feedback_on
from feedback.errors import Refused
from feedback.models import Assignment, Guideline, Judgment, Rater
from feedback.queries.comparisons import load_comparison, load_prompt
from feedback.queries.guidelines import unread_guideline
from feedback.queries.judgments import judges_view
from feedback.queries.progress import progress_of
from feedback.views.drafts import draft_of
from feedback.views.items import EMPTY, Item, item_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class State:
    """Why a person is shown no item: ``kind`` is "empty", or what ``check_may_work`` refuses with."""

    kind: str
    sentence: str
    guideline: Guideline | None = None


def next_item(rater: Rater, held: Sequence[int] = ()) -> Item | State | None:
    """The oldest item the person holds besides those numbered ``held``, leased now if need be.

    None where their page holds as many as it may.
    """
    if len(held) >= rater.project.batch_size:
        return None
    try:
        taken = take(rater=rater, count=len(held) + 1)
    except Refused as refusal:
        return _state(rater, refusal)
    assignment = next((each for each in taken if each.pk not in held), None)
    if assignment is None:
        return State("empty", _("Nothing is waiting for you."))
    return draft_item(rater, assignment, draft_of(assignment) if assignment.done_at else EMPTY)


def _state(rater: Rater, refusal: Refused) -> State:
    language = get_language() or "en"
    guideline = unread_guideline(rater, language) if refusal.field == "guidelines" else None
    return State(refusal.field or "empty", refusal.sentence, guideline)


def item_html(request: HttpRequest, item: Item) -> str:
    return render_to_string("feedback/item.html", {"item": item, "project": item.project}, request)


def state_html(request: HttpRequest, rater: Rater, state: State) -> str:
    context = {"state": state, "project": rater.project, "progress": progress_of(rater)}
    return render_to_string("feedback/state.html", context, request)


def next_as_json(request: HttpRequest, rater: Rater, held: Sequence[int]) -> dict[str, Any]:
    """``next`` and ``state`` as HTML, of which one at most is given, and the ``progress``."""
    found = next_item(rater, held)
    return {
        "next": item_html(request, found) if isinstance(found, Item) else None,
        "state": state_html(request, rater, found) if isinstance(found, State) else None,
        "progress": progress_as_json(rater),
    }


def progress_as_json(rater: Rater) -> dict[str, Any]:
    progress = progress_of(rater)
    return {"done": progress.done, "left": progress.left, "more": progress.more}


@dataclass(frozen=True)
class JudgeView:
    """What one AI judge said, in the letters that the person saw."""

    name: str
    verdict: str
    rationale: str
    agrees: bool


@dataclass(frozen=True)
class After:
    """What an answer is met with: how practice was meant, or what the AI judges said."""

    judgment: Judgment
    own: str
    practice: PracticeFeedback | None
    known: str
    judges: list[JudgeView]


def after(judgment: Judgment) -> After | None:
    """What is shown after this answer; None where there is nothing, which is how most projects have it."""
    practice = feedback_on(judgment)
    project = judgment.rater.project
    judges = _judges(judgment) if project.show_judges and judgment.ranking else []
    if practice is None and not judges:
        return None
    return After(
        judgment=judgment,
        own=in_letters(_by_place(judgment.ranking, judgment.shown)),
        practice=practice,
        known=in_letters(practice.ranks_shown) if practice else "",
        judges=judges,
    )


def after_html(request: HttpRequest, found: After) -> str:
    context = {"after": found, "project": found.judgment.rater.project}
    return render_to_string("feedback/after.html", context, request)


def _judges(judgment: Judgment) -> list[JudgeView]:
    return [
        JudgeView(
            name=said.rater.name,
            verdict=in_letters(_by_place(said.ranking, judgment.shown)),
            rationale=said.rationale,
            agrees=said.ranking == judgment.ranking,
        )
        for said in judges_view(judgment.comparison)
    ]


def _by_place(ranking: Sequence[int], shown: Iterable[int]) -> tuple[int, ...]:
    return tuple(ranking[position] for position in shown) if ranking else ()


def in_letters(ranks: Sequence[int]) -> str:
    """A ranking as the person saw it: ranks (2, 1) by place shown are ``B > A``, and (1, 1) ``A = B``."""
    levels: dict[int, list[str]] = {}
    for letter, rank in zip(LETTERS, ranks, strict=False):
        levels.setdefault(rank, []).append(letter)
    return " > ".join(" = ".join(levels[rank]) for rank in sorted(levels))


def draft_item(rater: Rater, assignment: Assignment, draft: Any = EMPTY) -> Item:
    """An assignment's item with what was filled in before."""
    load_comparison(assignment, rater)
    load_prompt(assignment.comparison)
    return item_of(assignment, draft)
