"""Panels are made here, and their verdicts from what the members' judgments say."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Max

from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.actions.judgments import MachineVerdict, store_verdicts
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.hashing import content_sha256
from feedback.models import UNFINISHED, Comparison, Judgment, Project
from feedback.people import Person
from judges.actions.judges import machine_rater
from judges.core.panels import (
    MAJORITY,
    MEAN_SCORE,
    PanelRules,
    PanelVerdict,
    Vote,
    panel_verdict,
    scores_from,
)
from judges.core.verdict import RANKED
from judges.models import Judge, Panel, PanelMember, PanelRule, PanelRun
from judges.queries import judge_text, panel_comparisons, panel_members, panel_rules

BATCH = 200  # comparisons a transaction
MOST_MEMBERS = 20
SUBMISSIONS = UUID("5c1f0c52-3c3e-5d1a-9a3e-0d0f5f1f7c11")  # namespace of the ids made for panels' verdicts


def create_panel(
    *,
    project: Project,
    name: str,
    members: Sequence[tuple[Judge, float]],
    rule: str = PanelRule.MAJORITY,
    quorum: int | None = None,
    cap_families: bool = True,
    tie_margin: float = 0.0,
    by: Person,
) -> Panel:
    """The panel ``name`` with these members (judge, weight) and this rule: the version that has them, or a new one.

    Without ``quorum`` it is more than half of the members. Refused: fewer than two members, one twice or of another
    project, weights where each has one vote, or a mean of scores with a member that gives none.
    """
    quorum = len(members) // 2 + 1 if quorum is None else quorum
    rules = PanelRules(rule, quorum, cap_families, tie_margin)
    _check(project, name, members, rules)
    listed = [[judge.name, judge.version, judge.sha256, weight] for judge, weight in members]
    sha256 = content_sha256({"members": listed, **vars(rules)})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        same = Panel.objects.filter(project=project, name=name, sha256=sha256).first()
        return same or _create(Panel(project=project, name=name, sha256=sha256, **vars(rules)), members, by)


def start_panel_run(*, panel: Panel, by: Person) -> PanelRun:
    """Queue the panel's verdicts on everything its members have judged. Refused while another run is under way."""
    with transaction.atomic():
        Panel.objects.select_for_update().get(pk=panel.pk)
        if PanelRun.objects.filter(panel=panel, job__state__in=UNFINISHED).exists():
            raise Refused(f"{panel} is being brought up to date already.")
        job = queue_job(project=panel.project, task="judges.tasks.perform_panel_run", queue="judge", by=by)
        run = PanelRun.objects.create(panel=panel, job=job, created_by=by)
        record(by=by, verb="start", target=run, project=panel.project, panel=str(panel))
    return run


def carry_out_panel_run(lease: Lease) -> None:
    """Store the panel's verdict on each comparison, one that the members' judgments have not changed once only."""
    panel = Panel.objects.select_related("rater").get(runs__job_id=lease.job_id)
    work, total, done = _Work(panel), panel_comparisons(panel).count(), 0
    lease.report(0, total, "")
    for batch in _batches(panel):
        store_verdicts(rater=panel.rater, verdicts=work.verdicts(batch))
        done += len(batch)
        lease.report(done, total)


class _Work:
    """What every verdict of one panel needs."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.rules, self.members = panel, panel_rules(panel), panel_members(panel)
        judges = {row.judge_id: row.judge for row in panel.members.select_related("judge__rubric")}
        self.names = {pk: str(judge) for pk, judge in judges.items()}
        self.criteria = {pk: judge_text(judge).criteria for pk, judge in judges.items()}

    def verdicts(self, batch: Sequence[Comparison]) -> list[MachineVerdict]:
        said: dict[int, list[Judgment]] = {comparison.pk: [] for comparison in batch}
        for judgment in self._judgments(batch):
            said[judgment.comparison_id].append(judgment)
        found = [self._verdict(comparison, said[comparison.pk]) for comparison in batch]
        return [verdict for verdict in found if verdict is not None]

    def _judgments(self, batch: Sequence[Comparison]) -> Iterator[Judgment]:
        rows = Judgment.objects.filter(comparison__in=batch, rater__in=list(self.names), current=True)
        if self.rules.rule == MEAN_SCORE:
            rows = rows.prefetch_related("scores__criterion")
        yield from rows.order_by("comparison", "rater")

    def _verdict(self, comparison: Comparison, judgments: Sequence[Judgment]) -> MachineVerdict | None:
        said = panel_verdict(
            self.rules, self.members, {self._name(one): self._vote(one) for one in judgments}
        )
        if said is None:
            return None
        sources = ",".join(f"{one.rater_id}:{one.submission_id}" for one in judgments)
        return MachineVerdict(
            comparison=comparison,
            submission_id=uuid5(SUBMISSIONS, f"{self.panel.pk}:{comparison.pk}:{sources}"),
            verdict=Verdict(
                outcome=said.outcome, ranking=said.ranking, rationale=self._told(said, judgments)
            ),
        )

    def _name(self, judgment: Judgment) -> str:
        return self.names[judgment.rater_id]

    def _vote(self, judgment: Judgment) -> Vote:
        scores: Mapping[int, float] | None = None
        if self.rules.rule == MEAN_SCORE:
            levels = {(score.criterion.name, score.position): score.value for score in judgment.scores.all()}
            scores = scores_from(levels, self.criteria[judgment.rater_id])
        return Vote(judgment.outcome, judgment.ranking, scores)

    def _told(self, said: PanelVerdict, judgments: Sequence[Judgment]) -> str:
        """Who stands for the verdict and who does not: the panel's only reason."""
        given = {self._name(one): one.outcome for one in judgments}
        others = [
            name for name, outcome in given.items() if outcome == RANKED and name not in said.supporting
        ]
        parts = [
            ("For it", said.supporting),
            ("Otherwise", others),
            ("Without a verdict", [name for name, outcome in given.items() if outcome != RANKED]),
            ("Not asked", [member.name for member in self.members if member.name not in given]),
        ]
        return " ".join(f"{what}: {', '.join(names)}." for what, names in parts if names)


def _batches(panel: Panel) -> Iterator[list[Comparison]]:
    last = 0
    rows = panel_comparisons(panel).prefetch_related("slots")
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].pk


def _create(panel: Panel, members: Sequence[tuple[Judge, float]], by: Person) -> Panel:
    versions = Panel.objects.filter(project=panel.project, name=panel.name)
    panel.version = (versions.aggregate(version=Max("version"))["version"] or 0) + 1
    panel.rater = machine_rater(panel.project, panel.name, panel.version)
    panel.save()
    PanelMember.objects.bulk_create(
        PanelMember(panel=panel, judge=judge, weight=weight, position=position)
        for position, (judge, weight) in enumerate(members)
    )
    record(by=by, verb="create", target=panel, project=panel.project, name=panel.name, version=panel.version)
    return panel


def _check(project: Project, name: str, members: Sequence[tuple[Judge, float]], rules: PanelRules) -> None:
    if not name.strip() or len(name) > 100:
        raise Refused("A panel needs a name of at most 100 characters.", field="name")
    if rules.rule not in PanelRule.values:
        raise Refused(f"A panel's rule is one of {', '.join(PanelRule.values)}.", field="rule")
    if not 2 <= len(members) <= MOST_MEMBERS:
        raise Refused(f"A panel has 2 to {MOST_MEMBERS} members.", field="members")
    if len({judge.pk for judge, _ in members}) < len(members):
        raise Refused("A judge is on the panel twice; give it a weight instead.", field="members")
    for judge, weight in members:
        _check_member(project, judge, weight, rules)
    if not 1 <= rules.quorum <= len(members):
        raise Refused(f"The quorum is from 1 to the {len(members)} members.", field="quorum")
    if not (math.isfinite(rules.tie_margin) and 0 <= rules.tie_margin <= 1):
        raise Refused("The margin of a tie is from 0 to 1, in which mean scores go.", field="tie_margin")
    if rules.tie_margin and rules.rule != MEAN_SCORE:
        raise Refused("A margin of a tie is for mean scores alone; leave it out.", field="tie_margin")


def _check_member(project: Project, judge: Judge, weight: Any, rules: PanelRules) -> None:
    if judge.project_id != project.pk:
        raise Refused(f"{judge} belongs to another project.", field="members")
    if not (math.isfinite(weight) and 0 < weight <= 1000):
        raise Refused(f"The weight of {judge} must be above 0 and at most 1000.", field="members")
    if weight != 1 and rules.rule == MAJORITY:
        raise Refused(
            "By majority each member has one vote; choose the rule weighted for weights.", field="members"
        )
    if rules.rule == MEAN_SCORE and not sum(criterion.weight for criterion in judge_text(judge).criteria):
        raise Refused(f"{judge} gives no scores, so they have no mean.", field="members")
