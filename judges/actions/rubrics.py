"""Rubrics are written here, a new version for each change of content."""

import re
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.hashing import content_sha256
from feedback.models import Criterion, Project, Rubric
from feedback.people import Person
from judges.core.rubric import BadRubric, CriterionText, RubricText, check_rubric


def create_rubric(
    *, project: Project, name: str, instructions: str, criteria: Sequence[CriterionText] = (), by: Person
) -> Rubric:
    """The rubric ``name`` with this content: the version that has it already, or a new one.

    Refused: no name, nothing to judge by, or a criterion whose scale or anchors make no sense.
    """
    try:
        check_rubric(RubricText(name, instructions, tuple(criteria)))
    except BadRubric as bad:
        raise Refused(f"The rubric's {bad}.", field=re.split(r"[\[.]", bad.field)[0]) from None
    contents = [_content(criterion) for criterion in criteria]
    sha256 = content_sha256({"instructions": instructions, "criteria": contents})
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
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
