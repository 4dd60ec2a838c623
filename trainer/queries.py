"""Every read of this room: runs and their charts, models and their lineage, evaluations."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from alignment.models import Policy
from alignment.policy.verdicts import ALL
from alignment.queries import settled_labelling
from feedback.errors import Refused
from feedback.models import Project
from feedback.permissions import Permission
from judges.models import Judge
from trainer.models import (
    Evaluation,
    Generation,
    ModelKind,
    ModelVersion,
    Round,
    Run,
    RunEvent,
    Stage,
    StageChange,
)

LOG_BYTES = 8_000
SAMPLES = 4  # evaluations side by side


def runs_of(project: Project) -> QuerySet[Run]:
    """A project's runs, newest first, each with its newest metric as ``last_metric``."""
    newest = RunEvent.objects.filter(run=OuterRef("pk"), kind="metric").order_by("-seq")
    return (
        Run.objects.filter(project=project)
        .select_related("job", "base", "snapshot", "model_version")
        .defer("curves")
        .annotate(last_metric=Subquery(newest.values("data")[:1]))
        .order_by("-pk")
    )


def last_loss(run: Run) -> float | None:
    """The loss in the newest metric of a run that ``runs_of`` found."""
    metric = getattr(run, "last_metric", None) or {"values": {}}
    loss: float | None = metric["values"].get("loss")
    return loss


def base_named(project: Project, text: str) -> ModelVersion | Path:
    """What a person means by a base: the model version of that name, or else a folder."""
    version = ModelVersion.objects.filter(project=project, name=text.strip()).first()
    return version or Path(text.strip())


def model_named(project: Project, name: str, kind: ModelKind | None = None) -> ModelVersion:
    """The model version of this name, of this kind. Refused where there is none, naming some there are."""
    versions = ModelVersion.objects.filter(project=project, **({"kind": kind} if kind else {}))
    version = versions.select_related("project", "base", "run").filter(name=name).first()
    if version is None:
        known = ", ".join(versions.values_list("name", flat=True)[:20]) or "none yet"
        what = "reward model" if kind == ModelKind.REWARD else "model"
        raise Refused(f"{project} has no {what} {name!r}; it has: {known}.", field="model")
    return version


class Checkpoint(NamedTuple):
    step: int
    path: str


def checkpoints(run: Run) -> list[Checkpoint]:
    """The checkpoints that are kept, the newest first: the last two written."""
    events = run.events.filter(kind="checkpoint").order_by("-seq")[:4]
    by_step = {event.step or 0: Checkpoint(event.step or 0, event.data["path"]) for event in reversed(events)}
    return sorted(by_step.values(), reverse=True)[:2]


def warnings(run: Run) -> list[str]:
    """What the runner warned of, each sentence once."""
    events = run.events.filter(kind="warning").order_by("seq")
    return list(dict.fromkeys(event.data["message"] for event in events))


def rows_used(run: Run) -> dict[str, dict[str, int]]:
    """By split: rows given, used, and left out by reason, as the runner counted them; empty before it has."""
    started = run.events.filter(kind="started").order_by("-seq").first()
    return started.data["rows"] if started else {}


def log_tail(folder: Path) -> str:
    """The end of what the runner of this folder and its libraries printed."""
    path = folder / "runner.log"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")


def alarms_of(runs: Sequence[Run]) -> dict[int, list[RunEvent]]:
    """The alarms of these runs, by the run's key, each kind once with its newest evidence."""
    found: dict[int, dict[str, RunEvent]] = {}
    for event in RunEvent.objects.filter(run__in=runs, kind="alarm").order_by("seq"):
        found.setdefault(event.run_id, {})[event.data["alarm"]] = event
    return {key: list(by_kind.values()) for key, by_kind in found.items()}


def newest_moments(run: Run, most: int = 20) -> list[datetime]:
    """When the newest events were written, in order."""
    return list(run.events.order_by("-seq").values_list("at", flat=True)[:most])[::-1]


def seconds_left(run: Run) -> float | None:
    """How long the steps that are left take at the pace of the newest metrics; None before there is a pace."""
    metrics = run.events.filter(kind="metric", step__isnull=False).order_by("-seq")
    newest = [(step or 0, at) for step, at in metrics.values_list("step", "at")[:20]]
    if len(newest) < 2 or run.total_steps is None:
        return None
    (last, end), (first, start) = newest[0], newest[-1]
    if last <= first:  # it has just been resumed
        return None
    return (end - start).total_seconds() / (last - first) * max(0, run.total_steps - last)


class Samples(NamedTuple):
    """What the model answered to the same prompts, at each of these steps: a row a prompt, a text a step."""

    steps: list[int]
    rows: list[tuple[str, list[str]]]


def samples(run: Run) -> Samples:
    """The first samples and the newest ones. Of two evaluations at one step, the later one holds."""
    events = run.events.filter(kind="samples")
    chosen = [*events.order_by("-seq")[: SAMPLES - 1], *events.order_by("seq")[:1]]
    by_step = {event.step or 0: event.data["samples"] for event in sorted(chosen, key=lambda each: each.seq)}
    steps = sorted(by_step)
    texts: dict[str, dict[int, str]] = {}
    for step in steps:
        for each in by_step[step]:
            texts.setdefault(_spoken(each["prompt"]), {})[step] = str(each["text"])
    return Samples(
        steps, [(prompt, [said.get(step, "") for step in steps]) for prompt, said in texts.items()]
    )


def _spoken(prompt: Any) -> str:
    """A prompt as one text: itself, or what its messages say."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(str(message["content"]) for message in prompt)


def model_versions_of(project: Project) -> QuerySet[ModelVersion]:
    """A project's model versions, newest first, with their lineage, evaluations and ``stage``."""
    newest = StageChange.objects.filter(model_version=OuterRef("pk")).order_by("-pk")
    versions = ModelVersion.objects.filter(project=project)
    return (
        versions.select_related("base", "run__snapshot", "project")
        .prefetch_related(
            Prefetch("evaluations", Evaluation.objects.select_related("base").defer("prompts", "items")),
            "scorings__job",
            "scorings__tag",
            "checks__snapshot",
        )
        .annotate(stage=Subquery(newest.values("stage")[:1]))
        .order_by("-pk")
    )


def stage_of(version: ModelVersion) -> str:
    """Where it stands now."""
    newest = version.stages.order_by("-pk").values_list("stage", flat=True).first()
    return newest or str(Stage.NONE)


def permission_for_stage(version: ModelVersion, stage: str) -> Permission:
    """Whose it is to put the version there: an approval, and taking one back, is an owner's."""
    return Permission.OWN if Stage.APPROVED in (stage, stage_of(version)) else Permission.ENGINEER


def evaluations_of(project: Project) -> QuerySet[Evaluation]:
    """A project's evaluations, newest first, without the texts of their prompts."""
    evaluations = Evaluation.objects.filter(model_version__project=project).defer("prompts", "items")
    return evaluations.select_related("model_version", "base", "job", "snapshot").order_by("-pk")


def trusted_judges(project: Project) -> list[Judge]:
    """The judges that the newest labelling found trusted on all comparisons alike."""
    labelling = settled_labelling(project)
    certificates = labelling.certificates if labelling else []
    names = [each["judge"] for each in certificates if each["trusted"] and each["slice"] == ALL]
    return list(Judge.objects.filter(project=project, rater__name__in=names).order_by("name", "-version"))


def best_version(project: Project) -> ModelVersion | None:
    """Who answers in the next round: the newest approved language model, else the newest candidate, else the newest."""
    versions = model_versions_of(project).filter(kind=ModelKind.POLICY)
    for stage in (Stage.APPROVED, Stage.CANDIDATE):
        found = versions.filter(stage=stage).first()  # type: ignore[misc]  # annotated
        if found:
            return found
    return versions.first()


def next_policy(project: Project) -> Policy | None:
    """Who labels in the next round: the policy that labelled last, else the newest."""
    labelling = settled_labelling(project)
    return labelling.policy if labelling else project.policies.order_by("-pk").first()


def generations_of(project: Project) -> QuerySet[Generation]:
    """A project's generations, newest first."""
    return project.generations.select_related("job", "model_version", "tag", "project").order_by("-pk")


def rounds_of(project: Project) -> QuerySet[Round]:
    """A project's rounds, newest first."""
    related = (
        "job",
        "policy",
        "generation__job",
        "generation__model_version__run",
        "labelling__job",
        "project",
    )
    return project.rounds.select_related(*related).prefetch_related("judges", "judge_runs__job")
