"""Every read of this room: runs and their charts, models and their lineage, evaluations."""

from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from alignment.models import Policy
from alignment.policy.verdicts import ALL
from alignment.queries import settled_labelling
from feedback.models import Project
from judges.models import Judge
from trainer.folders import run_folder
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

MOST_POINTS = 1000
LOG_BYTES = 8_000


class Series(NamedTuple):
    """One line of a chart: the values of one name by step, at most MOST_POINTS of them."""

    name: str
    steps: list[int]
    values: list[float | None]


class Chart(NamedTuple):
    title: str
    series: list[Series]

    def as_json(self) -> dict[str, Any]:
        """The lines on one common axis of steps; null where a line has no value."""
        steps = sorted({step for series in self.series for step in series.steps})
        lines = [(each.name, dict(zip(each.steps, each.values, strict=True))) for each in self.series]
        return {
            "title": self.title,
            "steps": steps,
            "lines": [
                {"name": name, "values": [values.get(step) for step in steps]} for name, values in lines
            ],
        }


# What is drawn together, by the name that the runner reports; other values stay in the events.
_CHARTS = (
    ("Loss", ("loss", "held-out loss")),
    ("Accuracy", ("accuracy", "held-out accuracy", "mean_token_accuracy", "held-out mean_token_accuracy")),
    ("Reward", ("reward_chosen", "reward_rejected", "margin", "held-out margin", "mean_reward")),
)


def runs_of(project: Project) -> QuerySet[Run]:
    """A project's runs, newest first, each with its newest metric as ``last_metric``."""
    newest = RunEvent.objects.filter(run=OuterRef("pk"), kind="metric").order_by("-seq")
    return (
        Run.objects.filter(project=project)
        .select_related("job", "base", "snapshot", "model_version")
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


def charts(run: Run) -> list[Chart]:
    """The run's metrics and evaluations as charts. Of two values for one step, the later one holds."""
    lines = {**_lines(run, "metric", ""), **_lines(run, "evaluation", "held-out ")}
    drawn = []
    for title, names in _CHARTS:
        series = [_series(name, lines.pop(name)) for name in names if name in lines]
        if series:
            drawn.append(Chart(title, series))
    return drawn


def _lines(run: Run, kind: str, prefix: str) -> dict[str, dict[int, float | None]]:
    """For each name the value by step, from at most MOST_POINTS evenly spaced events."""
    found: dict[str, dict[int, float | None]] = {}
    keys = list(run.events.filter(kind=kind).order_by("seq").values_list("pk", flat=True))
    chosen = run.events.filter(pk__in=_evenly(keys)).order_by("seq")
    for step, data in chosen.values_list("step", "data"):
        for name, value in data["values"].items():
            found.setdefault(prefix + name, {})[step or 0] = value
    return found


def _evenly(keys: list[int]) -> list[int]:
    """At most MOST_POINTS of the keys, spread over all of them, with the first and the last."""
    if len(keys) <= MOST_POINTS:
        return keys
    last = len(keys) - 1
    return [keys[index * last // (MOST_POINTS - 1)] for index in range(MOST_POINTS)]


def _series(name: str, values: dict[int, float | None]) -> Series:
    steps = sorted(values)
    return Series(name.replace("_", " "), steps, [values[step] for step in steps])


class Checkpoint(NamedTuple):
    step: int
    path: str


def checkpoints(run: Run) -> list[Checkpoint]:
    """The checkpoints written, the newest first; only the last two are kept on the disk."""
    events = run.events.filter(kind="checkpoint").order_by("-seq")
    by_step = {event.step: Checkpoint(event.step or 0, event.data["path"]) for event in events}
    return sorted(by_step.values(), reverse=True)


def warnings(run: Run) -> list[str]:
    """What the runner warned of, each sentence once."""
    events = run.events.filter(kind="warning").order_by("seq")
    return list(dict.fromkeys(event.data["message"] for event in events))


def rows_used(run: Run) -> dict[str, dict[str, int]]:
    """By split: rows given, used, and left out by reason, as the runner counted them; empty before it has."""
    started = run.events.filter(kind="started").order_by("-seq").first()
    return started.data["rows"] if started else {}


def log_tail(run: Run) -> str:
    """The end of what the runner and its libraries printed."""
    path = run_folder(run) / "runner.log"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")


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
