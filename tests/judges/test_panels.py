"""Panels judge by what their members said: nothing is asked, nothing is stored twice, changes are followed."""

from uuid import uuid4

import pytest

from feedback.actions.judgments import MachineVerdict, store_verdicts
from feedback.actions.projects import create_project
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import JobState, Judgment, RaterKind
from judges.actions.panels import create_panel, start_panel_run
from judges.models import JudgeCall, Panel, PanelRun
from judges.queries import panel_summary, panels_of
from judges.tasks import perform_panel_run

FIRST, SECOND = Verdict(ranking=(1, 2)), Verdict(ranking=(2, 1))
REFUSED = Verdict(outcome="refused")


@pytest.fixture
def judges(make_judge):
    return [
        make_judge(name, family=family, settings={"rules": [], "seed": seed})
        for seed, (name, family) in enumerate([("ann", "acme"), ("bob", "acme"), ("cleo", "boxco")])
    ]


@pytest.fixture
def make_panel(project, judges):
    def make(name="panel", **changes) -> Panel:
        configuration = {"members": [(judge, 1) for judge in judges], "cap_families": False} | changes
        return create_panel(project=project, name=name, by=None, **configuration)

    return make


def say(judge, comparison, verdict):
    store_verdicts(rater=judge.rater, verdicts=[MachineVerdict(comparison, uuid4(), verdict)])


def perform(panel) -> PanelRun:
    run = start_panel_run(panel=panel, by=None)
    perform_panel_run(run.job_id)
    return PanelRun.objects.select_related("job").get(pk=run.pk)


def said(panel):
    rows = Judgment.objects.filter(rater=panel.rater, current=True).order_by("comparison")
    return list(rows.values_list("outcome", "ranking"))


def test_a_panel_says_what_most_members_say_and_why(project, make_comparisons, judges, make_panel):
    one, other, third = make_comparisons(project, 3)
    for judge, verdicts in zip(judges, [(FIRST, FIRST), (FIRST, REFUSED), (SECOND, SECOND)], strict=True):
        say(judge, one, verdicts[0])
        say(judge, other, verdicts[1])
    say(judges[0], third, FIRST)
    panel = make_panel()
    run = perform(panel)
    assert (run.job.state, run.job.done, run.job.total) == (JobState.SUCCEEDED, 3, 3)
    assert said(panel) == [("ranked", (1, 2)), ("inconsistent", ())]
    told = Judgment.objects.get(rater=panel.rater, comparison=one)
    assert told.rationale == "For it: ann v1, bob v1. Otherwise: cleo v1."
    assert panel.rater.kind == RaterKind.JUDGE
    assert not JudgeCall.objects.exists()


def test_running_again_changes_nothing_and_follows_what_changed(
    project, make_comparisons, judges, make_panel
):
    one, other = make_comparisons(project, 2)
    for judge in judges:
        say(judge, one, FIRST)
        say(judge, other, FIRST)
    panel = make_panel()
    perform(panel)
    before = list(Judgment.objects.filter(rater=panel.rater).order_by("pk").values_list("pk", flat=True))
    perform(panel)
    assert (
        list(Judgment.objects.filter(rater=panel.rater).order_by("pk").values_list("pk", flat=True)) == before
    )
    for judge in judges[:2]:
        say(judge, other, SECOND)
    perform(panel)
    assert said(panel) == [("ranked", (1, 2)), ("ranked", (2, 1))]
    assert Judgment.objects.filter(rater=panel.rater).count() == 3


def test_a_family_can_not_outvote_the_others(project, make_comparisons, judges, make_panel):
    (comparison,) = make_comparisons(project, 1)
    for judge, verdict in zip(judges, [FIRST, FIRST, SECOND], strict=True):
        say(judge, comparison, verdict)
    capped, counted = make_panel("capped", cap_families=True), make_panel("counted")
    perform(capped)
    perform(counted)
    assert said(capped) == [("inconsistent", ())]
    assert said(counted) == [("ranked", (1, 2))]
    assert panel_summary(capped).independent == pytest.approx(2)
    assert panel_summary(counted).independent == pytest.approx(1.8)


def test_mean_scores_are_taken_from_the_stored_levels(project, make_comparisons, make_judge, toned):
    (comparison,) = make_comparisons(project, 1)
    judges = [make_judge(name, rubric=toned) for name in ("ann", "bob")]
    tone = toned.criteria.get().pk
    for judge, levels, verdict in zip(judges, [(3, 1), (1, 2)], [FIRST, SECOND], strict=True):
        scores = {(tone, position): level for position, level in enumerate(levels)}
        say(judge, comparison, Verdict(ranking=verdict.ranking, scores=scores))
    panel = create_panel(
        project=project, name="mean", members=[(judge, 1) for judge in judges], rule="mean_score", by=None
    )
    perform(panel)
    assert said(panel) == [("ranked", (1, 2))]  # means of .5 and .25


def test_a_panel_is_a_version_and_never_edited(project, make_panel, judges):
    first, again = make_panel(), make_panel()
    changed = make_panel(quorum=3)
    reweighted = make_panel(rule="weighted", members=[(judge, 2) for judge in judges])
    assert first == again
    assert [panel.version for panel in (first, changed, reweighted)] == [1, 2, 3]
    assert changed.rater.name == "panel v2"
    assert list(panels_of(project)) == [reweighted, changed, first]
    first.quorum = 1
    with pytest.raises(TypeError, match="never edited"):
        first.save()


def test_the_summary_counts_outcomes(project, make_comparisons, judges, make_panel):
    comparisons = make_comparisons(project, 4)
    for number, comparison in enumerate(comparisons):
        for judge in judges:
            say(judge, comparison, REFUSED if number == 0 else FIRST)
    panel = make_panel()
    perform(panel)
    summary = panel_summary(panel)
    assert summary.outcomes == {"ranked": 3, "refused": 1}
    assert (summary.coverage["value"], summary.coverage["n"]) == (0.75, 4)
    assert sum(summary.shares.values()) == pytest.approx(1)
    assert [member.judge.name for member in summary.members] == ["ann", "bob", "cleo"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "ann"}, "name"),
        ({"members": []}, "members"),
        ({"rule": "mood"}, "rule"),
        ({"rule": "mean_score"}, "members"),
        ({"quorum": 0}, "quorum"),
        ({"quorum": 4}, "quorum"),
        ({"tie_margin": 0.1}, "tie_margin"),
        ({"tie_margin": float("nan")}, "tie_margin"),
    ],
)
def test_what_makes_no_panel_is_refused_by_its_field(make_panel, changes, field):
    with pytest.raises(Refused) as refused:
        make_panel(**changes)
    assert refused.value.field == field
    assert not Panel.objects.exists()


def test_members_must_be_different_judges_of_the_project_with_sound_weights(make_panel, judges):
    ann, bob, _ = judges
    for members, rule in [
        ([(ann, 1), (ann, 1)], "majority"),
        ([(ann, 2), (bob, 1)], "majority"),
        ([(ann, 0), (bob, 1)], "weighted"),
        ([(ann, float("inf")), (bob, 1)], "weighted"),
    ]:
        with pytest.raises(Refused) as refused:
            make_panel(members=members, rule=rule)
        assert refused.value.field == "members"
    with pytest.raises(Refused, match="another project"):
        create_panel(
            project=create_project(name="Other", by=None), name="p", members=[(ann, 1), (bob, 1)], by=None
        )


def test_a_panel_at_work_is_not_started_twice(make_panel):
    panel = make_panel()
    start_panel_run(panel=panel, by=None)
    with pytest.raises(Refused, match="already"):
        start_panel_run(panel=panel, by=None)
