"""How far a project's loop has come: the counts at each stage across the rooms."""

from dataclasses import dataclass

from django.db.models import Count

from alignment.models import AgreementReport, Decision, Snapshot
from alignment.queries import decision_counts, settled_labelling
from feedback.models import UNFINISHED, JobState, Project
from feedback.queries.projects import StoreCounts, store_counts
from judges.models import Judge, JudgeRun
from trainer.models import Evaluation, ModelKind, ModelVersion, Run


@dataclass(frozen=True)
class LoopCounts:
    """What there is at each stage. ``labels`` maps each decision to the number of the newest labelling's labels.

    ``snapshot_used`` says whether the newest snapshot has trained anything; ``models_unevaluated`` counts policy
    models that have a base and no evaluation.
    """

    store: StoreCounts
    judges: int
    judge_runs_unfinished: int
    reports: int
    labels: dict[str, int]
    snapshots: int
    snapshot_used: bool
    runs: dict[str, int]
    models: int
    models_unevaluated: int
    evaluations: int
    evaluations_waiting: int

    @property
    def runs_in_all(self) -> int:
        return sum(self.runs.values())

    @property
    def runs_unfinished(self) -> int:
        return sum(self.runs.get(state, 0) for state in UNFINISHED)

    @property
    def runs_to_resume(self) -> int:
        return self.runs.get(JobState.INTERRUPTED, 0)

    @property
    def labels_in_all(self) -> int:
        return sum(self.labels.values())


def loop_counts(project: Project) -> LoopCounts:
    models = ModelVersion.objects.filter(project=project)
    evaluations = Evaluation.objects.filter(model_version__project=project)
    to_evaluate = models.filter(kind=ModelKind.POLICY, base__isnull=False, evaluations=None)
    snapshot = Snapshot.objects.filter(project=project).first()
    return LoopCounts(
        store=store_counts(project),
        judges=Judge.objects.filter(project=project).count(),
        judge_runs_unfinished=JudgeRun.objects.filter(
            judge__project=project, job__state__in=UNFINISHED
        ).count(),
        reports=AgreementReport.objects.filter(project=project).count(),
        labels=_newest_labels(project),
        snapshots=Snapshot.objects.filter(project=project).count(),
        snapshot_used=snapshot is not None and snapshot.runs.exists(),
        runs=dict(
            Run.objects.filter(project=project).values_list("job__state").annotate(Count("pk")).order_by()
        ),
        models=models.count(),
        models_unevaluated=to_evaluate.count(),
        evaluations=evaluations.count(),
        evaluations_waiting=evaluations.filter(result__isnull=True).count(),
    )


def _newest_labels(project: Project) -> dict[str, int]:
    """The labels of the newest labelling that was carried out, by decision."""
    labelling = settled_labelling(project)
    return decision_counts(labelling.policy) if labelling else dict.fromkeys(Decision.values, 0)
