"""Judges are configured here: a new version, and a rater of its own, for each change of configuration."""

from collections.abc import Mapping
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
from judges.models import Judge

MOST_SAMPLES = 9


def create_judge(
    *,
    project: Project,
    name: str,
    provider: str,
    model: str,
    rubric: Rubric,
    settings: Mapping[str, Any],
    both_orders: bool = True,
    samples: int = 1,
    family: str = "",
    by: Person,
) -> Judge:
    """The judge ``name`` with this configuration: the version that has it already, or a new one.

    Version 1 judges as the rater ``name``, a later one as ``name vN``. Refused: a provider that is not known,
    settings it can not use, another project's rubric, or a name that another machine rater has.
    """
    _check(project, name, model, rubric, samples)
    checked_provider(provider, dict(settings))
    configuration = {
        "provider": provider,
        "model": model,
        "family": family,
        "both_orders": both_orders,
        "samples": samples,
        "settings": dict(settings),
    }
    sha256 = content_sha256(configuration | {"rubric": [rubric.name, rubric.version, rubric.sha256]})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        same = Judge.objects.filter(project=project, name=name, sha256=sha256).first()
        return same or _create(
            Judge(project=project, name=name, rubric=rubric, sha256=sha256, **configuration), by
        )


def create_rules_judge(
    *,
    project: Project,
    name: str,
    instructions: str,
    settings: Mapping[str, Any],
    both_orders: bool,
    by: Person,
) -> Judge:
    """An offline judge with a rubric of its own name: what its rules are meant to reward, in words."""
    with transaction.atomic():
        rubric = create_rubric(project=project, name=name, instructions=instructions, by=by)
        return create_judge(
            project=project,
            name=name,
            provider="rules",
            model="rules",
            rubric=rubric,
            settings=settings,
            both_orders=both_orders,
            by=by,
        )


def _create(judge: Judge, by: Person) -> Judge:
    versions = Judge.objects.filter(project=judge.project, name=judge.name)
    judge.version = (versions.aggregate(version=Max("version"))["version"] or 0) + 1
    judge.rater = _rater(judge)
    judge.save()
    record(by=by, verb="create", target=judge, project=judge.project, name=judge.name, version=judge.version)
    return judge


def _rater(judge: Judge) -> Rater:
    name = judge.name if judge.version == 1 else f"{judge.name} v{judge.version}"
    rater, made = Rater.objects.get_or_create(project=judge.project, kind=RaterKind.JUDGE, name=name)
    if not made:
        raise Refused(
            f"The project has judgments by a judge called {name!r}; choose another name.", field="name"
        )
    return rater


def _check(project: Project, name: str, model: str, rubric: Rubric, samples: int) -> None:
    if not name.strip() or len(name) > 100:
        raise Refused("A judge needs a name of at most 100 characters.", field="name")
    if not model.strip() or len(model) > 100:
        raise Refused("A judge needs a model, named in at most 100 characters.", field="model")
    if rubric.project_id != project.pk:
        raise Refused("The rubric belongs to another project; choose one of this project.", field="rubric")
    if not 1 <= samples <= MOST_SAMPLES:
        raise Refused(f"A judge takes 1 to {MOST_SAMPLES} samples of each order.", field="samples")
