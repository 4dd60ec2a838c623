"""Every shared read of AI judges: what is left to ask, what goes into a request, how a judge has done."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from feedback.errors import Refused
from feedback.models import (
    UNFINISHED,
    Comparison,
    Judgment,
    Outcome,
    Project,
    Purpose,
    Rater,
    Rubric,
    Tag,
)
from judges.core.attacks import KINDS, AttackOutcome, success_rate
from judges.core.configuration import Configuration, configuration_document, configuration_from
from judges.core.panels import Member, PanelRules, independent_judges, shares_of
from judges.core.rendering import Example, JudgeText
from judges.core.rubric import CriterionText, RubricText
from judges.core.rubric_documents import rubric_document
from judges.core.shares import Clusters, share_statistic
from judges.models import AttackResult, AttackRun, Judge, JudgeCall, JudgeRun, Panel, PanelMember


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
    return configuration_of(judge).text(judge.rubric.instructions, criteria_of(judge.rubric))


def configuration_of(judge: Judge) -> Configuration:
    return configuration_from({item.name: getattr(judge, item.name) for item in fields(Configuration)})


def judge_document(judge: Judge) -> dict[str, Any]:
    """The judge with its rubric as plain JSON values, from which ``create_judge_from`` makes the same one."""
    configuration = configuration_document(configuration_of(judge))
    return {"name": judge.name, "rubric": rubric_document(rubric_text(judge.rubric)), **configuration}


def adjudicated_comparisons(project: Project) -> QuerySet[Comparison]:
    """What a reviewer has decided and so may be an example to a judge, newest first; nothing that measures people."""
    decided = Judgment.objects.filter(comparison=OuterRef("pk"), adjudicates=True, current=True)
    chosen = Comparison.objects.filter(
        Exists(decided), project=project, purpose=Purpose.TRAIN, retired_at=None
    )
    return chosen.select_related("prompt").order_by("-pk")


def example_of(comparison: Comparison) -> Example:
    """The comparison with its decision, as it is frozen into a judge. Refused where no reviewer has decided it."""
    decision = comparison.judgments.filter(adjudicates=True, current=True).first()
    if decision is None:
        raise Refused(f"No reviewer has decided {comparison}, so it is no example yet.", field="examples")
    responses = tuple(slot.response.text for slot in comparison.slots.select_related("response"))
    levels: dict[str, dict[int, int]] = {}
    for score in decision.scores.select_related("criterion"):
        levels.setdefault(score.criterion.name, {})[score.position] = score.value
    return Example(
        comparison=comparison.external_id,
        prompt=comparison.prompt.messages,
        responses=responses,
        ranking=decision.ranking,
        rationale=decision.rationale,
        reference=comparison.prompt.reference,
        scores={
            name: tuple(by_position[position] for position in range(len(responses)))
            for name, by_position in levels.items()
            if len(by_position) == len(responses)
        },
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


def grader_item(comparison: Comparison) -> dict[str, Any]:
    """What a grader reads as ``item``: the comparison's metadata by name, its ``reference`` and its ``prompt``."""
    prompt = comparison.prompt
    reference = {} if prompt.reference is None else {"reference": prompt.reference}
    return {**comparison.metadata, **reference, "prompt": prompt.messages}


def grader_documents(project: Project) -> Iterator[dict[str, Any]]:
    """The documents of the judges that are graders, the newest judge first."""
    graders = Judge.objects.filter(project=project, provider="grader").order_by("-pk")
    for settings in graders.values_list("settings", flat=True):
        yield settings["grader"]


def first_comparisons(project: Project, tag: Tag | None, count: int) -> list[Comparison]:
    """The project's first comparisons for training, of one tag or all, with their texts."""
    chosen = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN, retired_at=None)
    if tag is not None:
        chosen = chosen.filter(tags=tag)
    texts = chosen.select_related("prompt").prefetch_related("slots__response")
    return list(texts.order_by("pk")[:count])


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
        sent=Sum(F("times_sent") - F("times_unpaid")),
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
    return _share_consistent(said)


def position_agreement(rater: Rater, tag: Tag | None = None) -> Mapping[str, Any]:
    """How often a judge that was asked in every order said the same, imported ones too: a share with its interval.

    Of the comparisons (of one tag) for which each order has a verdict; ``excluded`` counts those for which one has
    none. Two orders without a verdict do not agree.
    """
    said = Judgment.objects.filter(rater=rater, current=True)
    if tag is not None:
        said = said.filter(comparison__tags=tag)
    missing = said.exclude(outcome__in=(Outcome.RANKED, Outcome.INCONSISTENT)).count()
    return {**_share_consistent(said), "excluded": missing}


def _share_consistent(said: QuerySet[Judgment]) -> Mapping[str, Any]:
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


@dataclass(frozen=True)
class AttackSummary:
    """What attacks did to a judge in one run. ``rate``: the share of pairs that they turned, of those that could turn.

    ``by_kind`` is the same by kind of attack. ``disrupted`` pairs lost their verdict instead; ``excluded`` are those
    that the judge got wrong without an attack. Of ``asked`` single calls with an attack, ``swayed`` preferred the
    worse response: a judge asked in both orders withstands where one alone would not.
    """

    run: AttackRun
    rate: Mapping[str, Any]
    by_kind: Mapping[str, Mapping[str, Any]]
    disrupted: int
    excluded: int
    swayed: int
    asked: int
    outcomes: Sequence[AttackOutcome]


def attack_results(judge: Judge) -> AttackSummary | None:
    """The newest run of attacks on the judge that has results; None where there is none."""
    stored = AttackResult.objects.filter(run=OuterRef("pk"))
    run = judge.attack_runs.filter(Exists(stored)).select_related("job").order_by("-pk").first()
    if run is None:
        return None
    columns = [item.name for item in fields(AttackOutcome)]
    rows = run.results.order_by("pair", "pk").values_list(*columns)
    outcomes = [AttackOutcome(*row) for row in rows]
    return AttackSummary(
        run=run,
        rate=success_rate(outcomes),
        by_kind={kind: success_rate(one for one in outcomes if one.kind == kind) for kind in KINDS},
        disrupted=sum(outcome.disrupted for outcome in outcomes),
        excluded=sum(not outcome.counts for outcome in outcomes),
        swayed=sum(outcome.swayed for outcome in outcomes),
        asked=sum(outcome.asked for outcome in outcomes),
        outcomes=outcomes,
    )


@dataclass(frozen=True)
class PanelSummary:
    """``independent``: as how many judges of equal weight the panel counts if a family always says the same."""

    panel: Panel
    members: Sequence[PanelMember]
    shares: Mapping[str, float]
    independent: float
    outcomes: Mapping[str, int]
    coverage: Mapping[str, Any]


def panels_of(project: Project) -> QuerySet[Panel]:
    """Every version of every panel, by name, the newest first."""
    return Panel.objects.filter(project=project).select_related("rater")


def panel_summary(panel: Panel) -> PanelSummary:
    said = Judgment.objects.filter(rater=panel.pk, current=True, comparison__purpose=Purpose.TRAIN)
    rules, members = panel_rules(panel), panel_members(panel)
    return PanelSummary(
        panel=panel,
        members=list(panel.members.select_related("judge")),
        shares=shares_of(rules, members),
        independent=independent_judges(rules, members),
        outcomes=dict(said.values_list("outcome").annotate(Count("pk")).order_by()),
        coverage=_share_ranked(said),
    )


def panel_rules(panel: Panel) -> PanelRules:
    return PanelRules(panel.rule, panel.quorum, panel.cap_families, panel.tie_margin)


def panel_members(panel: Panel) -> list[Member]:
    """The members by their names with versions, in their order."""
    rows = panel.members.select_related("judge")
    return [Member(str(row.judge), row.judge.family, row.weight) for row in rows]


def panel_comparisons(panel: Panel) -> QuerySet[Comparison]:
    """What at least one member has judged, in a fixed order."""
    members = panel.members.values("judge")
    said = Judgment.objects.filter(comparison=OuterRef("pk"), rater__in=members, current=True)
    return Comparison.objects.filter(Exists(said), project=panel.project_id).order_by("pk")
