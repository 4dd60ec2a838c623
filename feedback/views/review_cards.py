"""One judgment as reviewers read it beside the others: everything put in the order of the responses."""

from dataclasses import dataclass

from feedback.actions.reviews import can_be_sent_back
from feedback.models import Judgment, Return
from feedback.queries.review import Case

EXCERPT = 300  # characters of a response that a comment quotes


@dataclass(frozen=True)
class Rank:
    """The rank of one response; ``number`` is what the page calls it."""

    number: int
    rank: int


@dataclass(frozen=True)
class Levels:
    """What one criterion gave each response, in order; None where it gave none."""

    criterion: str
    values: list[int | None]


@dataclass(frozen=True)
class Remark:
    """A comment on a part of one response."""

    number: int
    quoted: str
    comment: str


@dataclass(frozen=True)
class Card:
    """One rater's standing judgment, with their earlier ones. ``waiting`` is what was sent back and not answered."""

    judgment: Judgment
    ranks: list[Rank]
    levels: list[Levels]
    remarks: list[Remark]
    shown_first: int | None
    earlier: list[Judgment]
    waiting: Return | None
    returnable: bool

    @property
    def key(self) -> str:
        return str(self.judgment.pk)


def cards(case: Case, texts: list[str]) -> list[Card]:
    """A card for each standing judgment; ``texts`` are the responses in canonical order."""
    return [_card(judgment, case, texts) for judgment in case.judgments]


def ranks_of(judgment: Judgment) -> list[Rank]:
    return [Rank(number, rank) for number, rank in enumerate(judgment.ranking, start=1)]


def _card(judgment: Judgment, case: Case, texts: list[str]) -> Card:
    waiting = next((sent for sent in judgment.returns.all() if sent.answered_by_id is None), None)
    earlier = [row for row in case.earlier if row.rater_id == judgment.rater_id and not row.adjudicates]
    return Card(
        judgment=judgment,
        ranks=ranks_of(judgment),
        levels=_levels(judgment, len(texts)),
        remarks=[
            Remark(span.position + 1, texts[span.position][span.start : span.end][:EXCERPT], span.comment)
            for span in judgment.spans.all()
            if span.position < len(texts)
        ],
        shown_first=judgment.shown[0] + 1 if judgment.shown else None,
        earlier=earlier,
        waiting=waiting,
        returnable=waiting is None and can_be_sent_back(judgment, case.comparison),
    )


def _levels(judgment: Judgment, responses: int) -> list[Levels]:
    given: dict[str, list[int | None]] = {}
    for score in judgment.scores.all():
        values = given.setdefault(score.criterion.name, [None] * responses)
        if score.position < responses:
            values[score.position] = score.value
    return [Levels(criterion, values) for criterion, values in given.items()]
