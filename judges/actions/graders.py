"""Graders become raters of a project here, and are tried on its comparisons before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction

from feedback.errors import Refused
from feedback.models import Comparison, Project
from feedback.people import Person
from judges.actions.judges import create_judge
from judges.actions.keys import checked_provider
from judges.actions.rubrics import create_rubric
from judges.core.graders import Case, Grade, grade
from judges.core.providers import GRADER
from judges.models import Judge
from judges.queries import grader_item

MOST_TRIED = 20  # comparisons at once, while somebody waits for the page


@dataclass(frozen=True)
class Tried:
    """One comparison with the grade of each of its responses, in canonical order."""

    comparison: Comparison
    texts: Sequence[str]
    grades: Sequence[Grade]

    @property
    def rows(self) -> list[tuple[str, Grade]]:
        """Each text with its grade."""
        return list(zip(self.texts, self.grades, strict=True))


def create_grader(
    *, project: Project, name: str, settings: Mapping[str, Any], by: Person, description: str = ""
) -> Judge:
    """A grader as a rater: the version with these settings, or a new one. Refused names what is wrong in them.

    ``settings`` are those of the provider ``grader``. It is asked once about each comparison: the order in which
    responses are shown is nothing to it.
    """
    checked_provider(GRADER, dict(settings))
    document = settings["grader"]
    kind = document["type"]
    with transaction.atomic():
        rubric = create_rubric(
            project=project,
            name=name,
            instructions=description.strip() or f"Graded by program ({kind}).",
            by=by,
        )
        return create_judge(
            project=project,
            name=name,
            provider=GRADER,
            model=str(document.get("model") or kind)[:100],
            rubric=rubric,
            settings=settings,
            both_orders=False,
            by=by,
        )


def try_grader(*, settings: Mapping[str, Any], comparisons: Sequence[Comparison]) -> list[Tried]:
    """Grade every response of a few comparisons, and store nothing. Refused where the settings are no grader's.

    Prefetch slots, responses and prompts.
    """
    checked_provider(GRADER, dict(settings))
    if len(comparisons) > MOST_TRIED:
        raise Refused(f"At most {MOST_TRIED} comparisons can be tried at once; start a run for more.")
    texts = [[slot.response.text for slot in comparison.slots.all()] for comparison in comparisons]
    cases = [
        Case(text, grader_item(comparison))
        for comparison, given in zip(comparisons, texts, strict=True)
        for text in given
    ]
    services = {name: settings.get(name) for name in ("models", "embeddings")}
    grades = iter(async_to_sync(grade)(settings["grader"], cases, services))
    return [
        Tried(comparison, given, [next(grades) for _ in given])
        for comparison, given in zip(comparisons, texts, strict=True)
    ]
