"""Rubrics are written here, a new version for each change of content."""

import math
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.hashing import content_sha256
from feedback.models import Criterion, Project, Rubric
from feedback.people import Person
from judges.core.rendering import CriterionText

MOST_LEVELS = 101  # 0 to 100


def create_rubric(
    *, project: Project, name: str, instructions: str, criteria: Sequence[CriterionText] = (), by: Person
) -> Rubric:
    """The rubric ``name`` with this content: the version that has it already, or a new one.

    Refused: no name, nothing to judge by, or a criterion whose scale or anchors make no sense.
    """
    _check(name, instructions, criteria)
    contents = [_content(criterion) for criterion in criteria]
    sha256 = content_sha256({"instructions": instructions, "criteria": contents})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        versions = Rubric.objects.filter(project=project, name=name)
        same = versions.filter(sha256=sha256).first()
        return same or _create(project, name, instructions, contents, sha256, by)


def _create(
    project: Project, name: str, instructions: str, contents: list[dict[str, Any]], sha256: str, by: Person
) -> Rubric:
    newest = Rubric.objects.filter(project=project, name=name).aggregate(version=Max("version"))["version"]
    rubric = Rubric.objects.create(
        project=project, name=name, version=(newest or 0) + 1, instructions=instructions, sha256=sha256
    )
    Criterion.objects.bulk_create(
        Criterion(rubric=rubric, position=position, **content) for position, content in enumerate(contents)
    )
    record(by=by, verb="create", target=rubric, project=project, name=name, version=rubric.version)
    return rubric


def _content(criterion: CriterionText) -> dict[str, Any]:
    anchors = {str(level): text for level, text in sorted(criterion.anchors.items())}
    return vars(criterion) | {"anchors": anchors, "weight": float(criterion.weight)}


def _check(name: str, instructions: str, criteria: Sequence[CriterionText]) -> None:
    if not name.strip() or len(name) > 100:
        raise Refused("A rubric needs a name of at most 100 characters.", field="name")
    if not instructions.strip() and not criteria:
        raise Refused("The rubric is empty; write instructions or add a criterion.", field="instructions")
    names = [criterion.name for criterion in criteria]
    if len(set(names)) < len(names):
        raise Refused("Two criteria have the same name; rename one of them.", field="criteria")
    for criterion in criteria:
        problem = _problem(criterion)
        if problem:
            raise Refused(f"The criterion {criterion.name!r} {problem}.", field="criteria")


def _problem(criterion: CriterionText) -> str | None:
    if not criterion.name.strip() or len(criterion.name) > 100:
        return "needs a name of at most 100 characters"
    if not 1 <= criterion.scale_max - criterion.scale_min < MOST_LEVELS:
        return f"needs a scale that ascends and has at most {MOST_LEVELS} levels"
    if abs(criterion.scale_min) > 1000:
        return "has a scale beyond 1000; start it nearer to 0"
    if not (math.isfinite(criterion.weight) and criterion.weight >= 0):
        return "needs a weight of 0 or more"
    strange = set(criterion.anchors) - set(criterion.levels)
    return f"has an anchor for {min(strange)}, which is not on its scale" if strange else None
