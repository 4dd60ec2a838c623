"""What one person is shown of a comparison, in their own order: texts and the controls of the project's form.

Blind: nothing here tells where a response comes from, what others said, which response is the canonical first, or
whether the item measures the person. So it goes by the number of the *assignment*, made when it was given: a
comparison's own number tells when it was imported, and gold comes in batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase
from typing import Any
from uuid import UUID, uuid4

from django.http import QueryDict
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from feedback.answers import AnswerForm, Choice
from feedback.models import Assignment, Criterion, Project, Purpose, Return
from feedback.queries.comparisons import response_texts
from feedback.queries.returns import open_return
from feedback.queries.rubrics import criteria_for_people
from feedback.rendering import count_words
from feedback.views.answers import Reading

EMPTY = QueryDict()


@dataclass(frozen=True)
class Level:
    """One step of a scale; ``anchor`` says what it means, ``value`` is what the form sends."""

    value: int
    anchor: str
    chosen: bool


@dataclass(frozen=True)
class Scale:
    """One criterion on one response; ``name`` is the form's field."""

    name: str
    criterion: Criterion
    levels: list[Level]


@dataclass(frozen=True)
class ShownResponse:
    place: int
    letter: str
    text: str
    rank: str
    scales: list[Scale]


@dataclass(frozen=True)
class Item:
    """One assignment as its page shows it. ``shown`` proves the order when the answer comes back, and does not tell it:
    whoever knew which response is the canonical first could tell apart where they come from.

    ``draft`` is what was filled in before, as the form sends it: an answer that was refused or taken back, or that a
    reviewer sent back with the comment in ``sent_back``.
    """

    assignment: Assignment
    form: AnswerForm
    criteria: Sequence[Criterion]
    texts: Sequence[str]
    draft: QueryDict
    submission_id: UUID
    sent_back: Return | None = None

    @property
    def number(self) -> int:
        return self.assignment.pk

    @property
    def project(self) -> Project:
        return self.assignment.comparison.project

    @property
    def shown(self) -> str:
        return proof(self.assignment)

    @cached_property
    def reading(self) -> Reading:
        return Reading(self.form, self.criteria, self.assignment.shown)

    @property
    def kind(self) -> Choice:
        return self.reading.kind

    @property
    def ties(self) -> bool:
        return self.form.ties(self.kind)

    @property
    def practice(self) -> bool:
        """Practice is open about what it is: its answer is explained right after."""
        return self.assignment.comparison.purpose == Purpose.PRACTICE

    @property
    def messages(self) -> Any:
        return self.assignment.comparison.prompt.messages

    @cached_property
    def responses(self) -> list[ShownResponse]:
        return [
            ShownResponse(
                place=place,
                letter=ascii_uppercase[place],
                text=self.texts[position],
                rank=self.draft.get(f"rank_{place}", ""),
                scales=[self._scale(criterion, place) for criterion in self.criteria],
            )
            for place, position in enumerate(self.assignment.shown)
        ]

    def _scale(self, criterion: Criterion, place: int) -> Scale:
        name = f"score_{criterion.pk}_{place}"
        levels = range(criterion.scale_min, criterion.scale_max + 1)
        return Scale(
            name,
            criterion,
            [Level(level, _anchor(criterion, level), self.draft.get(name) == str(level)) for level in levels],
        )

    @property
    def words(self) -> int:
        """How much there is to read, in words of its languages."""
        asked = sum(count_words(message["content"]) for message in self.messages)
        return asked + sum(count_words(text) for text in self.texts)

    @property
    def strengths(self) -> list[Level]:
        """From "A is much better" to "B is much better"; negative where the response shown first is better."""
        steps = self.form.steps
        values = [value for value in range(-steps, steps + 1) if value or self.ties]
        given = self.draft.get("strength")
        return [Level(value, strength_words(value, steps), given == str(value)) for value in values]

    @property
    def choice(self) -> str:
        return self.draft.get("choice", "")

    @property
    def rationale(self) -> str:
        return self.draft.get("rationale", "")

    @property
    def spans(self) -> str:
        return self.draft.get("spans", "[]")

    @property
    def all_bad(self) -> bool:
        return "all_bad" in self.draft

    @property
    def flags(self) -> list[str]:
        return self.draft.getlist("flags")


def item_of(assignment: Assignment, draft: QueryDict = EMPTY) -> Item:
    """The assignment's item; its comparison, prompt and project should be loaded with it."""
    comparison = assignment.comparison
    form = AnswerForm.of(comparison.project.form)
    return Item(
        assignment=assignment,
        form=form,
        criteria=criteria_for_people(comparison.project_id) if form.scores else (),
        texts=response_texts(comparison),
        draft=draft,
        submission_id=uuid4(),
        sent_back=open_return(assignment.rater, assignment.comparison_id) if assignment.done_at else None,
    )


def proof(assignment: Assignment) -> str:
    """What only this server can say about the order in which it showed an assignment's responses."""
    value = f"{assignment.rater_id}:{assignment.comparison_id}:{assignment.shown}"
    return salted_hmac("feedback.annotate.shown", value, algorithm="sha256").hexdigest()


def proves(assignment: Assignment, given: str) -> bool:
    return constant_time_compare(given, proof(assignment))


def strength_words(value: int, steps: int) -> str:
    """A strength as it reads: -2 of 2 steps is "A is much better"."""
    if value == 0:
        return _("Equal")
    degree = abs(value) + (1 if steps == 2 else 0)
    words = {
        1: (_("A is slightly better"), _("B is slightly better")),
        2: (_("A is better"), _("B is better")),
        3: (_("A is much better"), _("B is much better")),
        4: (_("A is far better"), _("B is far better")),
    }
    return words[degree][0 if value < 0 else 1]


def _anchor(criterion: Criterion, level: int) -> str:
    return str(criterion.anchors.get(str(level), ""))
