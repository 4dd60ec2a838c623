"""Every shared read of AI judges: what is left to ask, what goes into a request, how a judge has done."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from feedback.errors import Refused
from feedback.models import UNFINISHED, Comparison, Judgment, Outcome, Project, Purpose, Rubric, ScoredBy
from judges.core.rendering import JudgeText
from judges.core.rubric import CriterionText, RubricText
from judges.core.shares import Clusters, share_statistic
from judges.models import Judge, JudgeCall, JudgeRun


@dataclass(frozen=True)
class JudgeSummary:
    """How one judge has done on the comparisons for training, by the outcome of its current judgments.

    ``coverage``: ranked of asked. ``consistency``: of the comparisons on which every call gave a verdict,
    those on which they agree, over orders and samples. ``cost`` is in dollars for the calls whose price is
    known; ``unpriced`` counts the others, ``unanswered`` the requests whose reply never came and may have
    been billed.
    """

    judge: Judge
    comparisons: int
    ranked: int
    refused: int
    unparseable: int
    inconsistent: int
    coverage: Mapping[str, Any]
    consistency: Mapping[str, Any]
    calls: int
    cost: Decimal
    unpriced: int
    unanswered: int
    last_run: JudgeRun | None

    @property
    def asked(self) -> int:
        return self.ranked + self.refused + self.unparseable + self.inconsistent


def judges_of(project: Project) -> QuerySet[Judge]:
    """Every version of every judge, by name, the newest first."""
    return Judge.objects.filter(project=project).select_related("rater", "rubric")


def judge_named(project: Project, name: str) -> Judge:
    """The newest version of the judge with this name. Refused where there is none, naming those there are."""
    judge = judges_of(project).filter(name=name).order_by("-version").first()
    if judge is None:
        known = ", ".join(sorted({judge.name for judge in judges_of(project)})) or "none yet"
        raise Refused(f"{project} has no judge {name!r}; it has: {known}.", field="judge")
    return judge


def selected_comparisons(run: JudgeRun) -> QuerySet[Comparison]:
    """The comparisons that a run is about, judged already or not; not those that are retired."""
    chosen = Comparison.objects.filter(project=run.judge.project_id, purpose=run.purpose, retired_at=None)
    return chosen.filter(tags=run.tag_id) if run.tag_id else chosen


def comparisons_left(run: JudgeRun) -> QuerySet[Comparison]:
    """Those that have no current judgment of the run's judge, in a fixed order."""
    judged = Judgment.objects.filter(comparison=OuterRef("pk"), rater=run.judge_id, current=True)
    return selected_comparisons(run).filter(~Exists(judged)).order_by("pk")


def judge_text(judge: Judge) -> JudgeText:
    """What of the judge goes into its requests."""
    return JudgeText(
        provider=judge.provider,
        model=judge.model,
        settings=judge.settings,
        instructions=judge.rubric.instructions,
        criteria=tuple(
            criterion for criterion in criteria_of(judge.rubric) if criterion.scored_by != ScoredBy.PEOPLE
        ),
    )


def criteria_of(rubric: Rubric) -> tuple[CriterionText, ...]:
    """All of its criteria in their order, those that only people score too."""
    return tuple(
        CriterionText(
            name=row.name,
            description=row.description,
            scale_min=row.scale_min,
            scale_max=row.scale_max,
            anchors={int(level): text for level, text in row.anchors.items()},
            weight=row.weight,
            scored_by=row.scored_by,
        )
        for row in rubric.criteria.all()
    )


def rubric_text(rubric: Rubric) -> RubricText:
    """The rubric as it is written to a document, and compared with another version."""
    return RubricText(rubric.name, rubric.instructions, criteria_of(rubric))


def runs_of(judge: Judge) -> QuerySet[JudgeRun]:
    """The judge's runs, newest first."""
    return judge.runs.select_related("job", "tag", "created_by").order_by("-pk")


def unfinished_run(judge: Judge) -> JudgeRun | None:
    """The run that waits or works now, if there is one."""
    return runs_of(judge).filter(job__state__in=UNFINISHED).first()


def newest_verdicts(judge: Judge) -> QuerySet[Judgment]:
    """The judge's current judgments, newest first."""
    said = Judgment.objects.filter(rater=judge.pk, current=True)
    return said.select_related("comparison__prompt").order_by("-at", "-pk")


def judge_summary(judge: Judge) -> JudgeSummary:
    comparisons = Comparison.objects.filter(project=judge.project_id, purpose=Purpose.TRAIN)
    said = Judgment.objects.filter(rater=judge.pk, current=True, comparison__purpose=Purpose.TRAIN)
    outcomes = dict(said.values_list("outcome").annotate(Count("pk")).order_by())
    bill = JudgeCall.objects.filter(judge=judge).aggregate(
        calls=Count("pk", filter=Q(answered_at__isnull=False)),
        spent=Sum("cost"),
        unpriced=Count("pk", filter=Q(answered_at__isnull=False, cost=None)),
        sent=Sum("times_sent"),
    )
    return JudgeSummary(
        judge=judge,
        comparisons=comparisons.count(),
        ranked=outcomes.get(Outcome.RANKED, 0),
        refused=outcomes.get(Outcome.REFUSED, 0),
        unparseable=outcomes.get(Outcome.UNPARSEABLE, 0),
        inconsistent=outcomes.get(Outcome.INCONSISTENT, 0),
        coverage=_share_ranked(said),
        consistency=_consistency(judge, said),
        calls=bill["calls"],
        cost=bill["spent"] or Decimal(0),
        unpriced=bill["unpriced"],
        unanswered=(bill["sent"] or 0) - bill["calls"],
        last_run=runs_of(judge).first(),
    )


def _consistency(judge: Judge, said: QuerySet[Judgment]) -> Mapping[str, Any]:
    if not judge.both_orders and judge.samples == 1:
        return {"value": None, "reason": "each comparison is asked once, in one order"}
    return _share_ranked(said.filter(outcome__in=(Outcome.RANKED, Outcome.INCONSISTENT)))


def _share_ranked(said: QuerySet[Judgment]) -> Mapping[str, Any]:
    """The share of these judgments that rank, its interval over prompts; the database does the sums."""
    by_prompt = said.values("comparison__prompt").annotate(
        hits=Count("pk", filter=Q(outcome=Outcome.RANKED)), n=Count("pk")
    )
    sums = by_prompt.order_by().aggregate(
        clusters=Count("comparison__prompt"),
        hits_sum=Sum("hits"),
        n_sum=Sum("n"),
        hits_hits=Sum(F("hits") * F("hits")),
        hits_n=Sum(F("hits") * F("n")),
        n_n=Sum(F("n") * F("n")),
    )
    return share_statistic(Clusters(**{name: value or 0 for name, value in sums.items()}))
