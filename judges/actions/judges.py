"""Judges are configured here: a new version, and a rater of its own, for each change of configuration."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from django.db import transaction
from django.db.models import Max

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.hashing import content_sha256
from feedback.models import Project, Rater, RaterKind, Rubric
from feedback.people import Person
from judges.actions.keys import checked_provider
from judges.actions.rubrics import create_rubric
from judges.core.configuration import (
    BadConfiguration,
    Configuration,
    check_configuration,
    configuration_document,
    configuration_from,
)
from judges.core.providers import GRADER
from judges.core.rendering import PAIRWISE, PASS_FAIL
from judges.core.rubric import BadRubric
from judges.core.rubric_documents import rubric_from_document
from judges.models import Judge
from judges.queries import criteria_of


def create_judge(*, project: Project, name: str, rubric: Rubric, by: Person, **configuration: Any) -> Judge:
    """The judge ``name`` with this rubric and configuration: the version that has it already, or a new one.

    ``configuration`` are the fields of ``judges.core.configuration.Configuration``. Version 1 judges as the rater
    ``name``, a later one as ``name vN``. Refused: what no judge can be made of, naming the field, another project's
    rubric, or a name that another machine rater has.
    """
    chosen = Configuration(**configuration)
    if chosen.mode == PASS_FAIL:
        chosen = replace(chosen, both_orders=False)  # each response is judged alone
    _check(project, name, rubric, chosen)
    document = configuration_document(chosen)
    sha256 = content_sha256(document | {"rubric": [rubric.name, rubric.version, rubric.sha256]})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        same = Judge.objects.filter(project=project, name=name, sha256=sha256).first()
        return same or _create(
            Judge(project=project, name=name, rubric=rubric, sha256=sha256, **document), by
        )


def create_judge_from(*, project: Project, document: Mapping[str, Any], by: Person) -> Judge:
    """The judge of a document, as ``judges.queries.judge_document`` writes it; its rubric comes with it."""
    values = dict(document)
    name, rubric = values.pop("name", None), values.pop("rubric", None)
    if not isinstance(name, str):
        raise Refused("The judge's name must be text.", field="name")
    try:
        text, configuration = rubric_from_document(rubric), configuration_from(values)
    except BadRubric as bad:
        raise Refused(f"The judge's rubric can not be used: {bad}.", field="rubric") from None
    except BadConfiguration as bad:
        raise _refusal(bad) from None
    with transaction.atomic():
        stored = create_rubric(
            project=project, name=text.name, instructions=text.instructions, criteria=text.criteria, by=by
        )
        return create_judge(project=project, name=name, rubric=stored, by=by, **_fields(configuration))


def machine_rater(project: Project, name: str, version: int, kind: RaterKind = RaterKind.JUDGE) -> Rater:
    """A new rater for a version: version 1 has the bare name. Refused where the project has a machine rater of it."""
    called = name if version == 1 else f"{name} v{version}"
    rater, made = Rater.objects.get_or_create(project=project, kind=kind, name=called)
    if not made:
        raise Refused(
            f"The project has judgments by a {kind} called {called!r}; choose another name.", field="name"
        )
    return rater


def _create(judge: Judge, by: Person) -> Judge:
    versions = Judge.objects.filter(project=judge.project, name=judge.name)
    judge.version = (versions.aggregate(version=Max("version"))["version"] or 0) + 1
    kind = RaterKind.GRADER if judge.provider == GRADER else RaterKind.JUDGE
    judge.rater = machine_rater(judge.project, judge.name, judge.version, kind)
    judge.save()
    record(by=by, verb="create", target=judge, project=judge.project, name=judge.name, version=judge.version)
    return judge


def _check(project: Project, name: str, rubric: Rubric, configuration: Configuration) -> None:
    if not name.strip() or len(name) > 100:
        raise Refused("A judge needs a name of at most 100 characters.", field="name")
    if rubric.project_id != project.pk:
        raise Refused("The rubric belongs to another project; choose one of this project.", field="rubric")
    if configuration.provider == GRADER and configuration.mode != PAIRWISE:
        raise Refused(
            "A grader compares the rewards of two responses at a time; choose that mode.", field="mode"
        )
    checked_provider(configuration.provider, dict(configuration.settings))
    try:
        check_configuration(configuration, criteria_of(rubric))
    except BadConfiguration as bad:
        raise _refusal(bad) from None


def _refusal(bad: BadConfiguration) -> Refused:
    return Refused(f"The judge's {bad}.", field=re.split(r"[\[.]", bad.field)[0])


def _fields(configuration: Configuration) -> dict[str, Any]:
    return {item.name: getattr(configuration, item.name) for item in fields(Configuration)}
