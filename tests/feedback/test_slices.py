"""Slice rules: what a tag asks for moves its comparisons, old and new, and never takes anything away."""

import pytest

from feedback.actions.assignments import take_next
from feedback.actions.bulk import carry_out_bulk_change
from feedback.actions.imports import store_records
from feedback.actions.jobs import perform_job
from feedback.actions.qualifications import set_qualifications
from feedback.actions.slices import apply_slice_rules, remove_slice_rule, set_slice_rule
from feedback.errors import Refused
from feedback.models import AuditEntry, Pool, QueueEpoch, QueueItem, SliceRule
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord


def asked(comparison):
    """(overlap, slots free, language, skill) as the queue has them."""
    item = QueueItem.objects.select_related("comparison").get(pk=comparison.pk)
    pool = Pool.objects.get(pk=item.pool_id)
    return item.comparison.overlap, item.slots_free, pool.language, pool.skill


def tag(project, name):
    return project.tags.get(name=name)


def test_a_rule_moves_the_comparisons_of_its_tag_and_no_others(project, make_comparisons):
    even, odd = make_comparisons(project, 2)
    epoch = QueueEpoch.objects.get(project=project).number
    set_slice_rule(tag=tag(project, "even"), overlap=5, language=" French ", skill="Law", by=None)
    assert asked(even) == (5, 5, "french", "law")
    assert asked(odd) == (2, 2, "", "")
    assert QueueEpoch.objects.get(project=project).number > epoch
    assert AuditEntry.objects.filter(verb="set slice rule", project=project).exists()


def test_the_rule_of_a_large_tag_is_applied_by_a_worker(project, make_comparisons, monkeypatch):
    monkeypatch.setattr("feedback.actions.slices.FEW", 1)
    comparisons = make_comparisons(project, 4)
    task = set_slice_rule(tag=tag(project, "even"), overlap=5, skill="law", by=None)
    assert SliceRule.objects.filter(project=project, overlap=5).exists()
    assert asked(comparisons[0])[:2] == (2, 2)
    perform_job(task.job_id, carry_out_bulk_change)
    assert [asked(each) for each in comparisons] == [(5, 5, "", "law"), (2, 2, "", "")] * 2
    task.refresh_from_db()
    assert task.changed == 2
    away = remove_slice_rule(rule=SliceRule.objects.get(project=project), by=None)
    perform_job(away.job_id, carry_out_bulk_change)
    assert {asked(each) for each in comparisons} == {(2, 2, "", "")}


def test_a_rule_never_asks_for_fewer_than_hold_or_have_judged_it(project, make_comparisons, make_rater):
    project.overlap = 4
    project.save()
    (comparison,) = make_comparisons(project, 1, [JudgmentRecord("ana", ranking={"a": 1, "b": 2})])
    assert take_next(rater=make_rater(project, "ben")).comparison == comparison
    assert asked(comparison)[:2] == (4, 2)
    set_slice_rule(tag=tag(project, "even"), overlap=1, by=None)
    assert asked(comparison)[:2] == (2, 0)


def test_a_new_comparison_goes_by_the_rules_of_its_tags(project, make_comparisons):
    make_comparisons(project, 1)
    set_slice_rule(tag=tag(project, "even"), overlap=3, skill="law", by=None)
    _, _, new = make_comparisons(project, 3)[-3:]
    assert asked(project.comparisons.get(external_id="q2")) == (3, 3, "", "law")
    assert asked(project.comparisons.get(external_id="q1")) == (2, 2, "", "")
    assert new.external_id == "q3"


def test_a_rule_without_an_overlap_leaves_the_overlap_as_it_is(project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    QueueItem.objects.filter(pk=comparison.pk).update(slots_free=6)
    type(comparison).objects.filter(pk=comparison.pk).update(overlap=6)
    set_slice_rule(tag=tag(project, "even"), language="fr", by=None)
    assert asked(comparison) == (6, 6, "fr", "")


def both_tags(project, key="both"):
    record = ComparisonRecord(
        key=key,
        prompt=[{"role": "user", "content": f"Question {key}?"}],
        responses=[ResponseRecord("a", "x", "One."), ResponseRecord("b", "y", "Two.")],
        tags=["even", "odd"],
        line=7,
    )
    return store_records(project=project, records=[record], by=None)


def test_of_two_rules_the_largest_overlap_holds_and_requirements_add_up(project, make_comparisons):
    make_comparisons(project, 2)
    both_tags(project)
    set_slice_rule(tag=tag(project, "even"), overlap=3, language="fr", by=None)
    set_slice_rule(tag=tag(project, "odd"), overlap=4, skill="law", by=None)
    assert asked(project.comparisons.get(external_id="both")) == (4, 4, "fr", "law")


@pytest.mark.parametrize("what", ["language", "skill"])
def test_rules_that_ask_for_two_of_a_kind_are_refused_and_nothing_moves(what, project, make_comparisons):
    make_comparisons(project, 2)
    both_tags(project)
    set_slice_rule(tag=tag(project, "even"), by=None, **{what: "one"})
    with pytest.raises(Refused, match="1 comparisons have the tag odd and also even") as refused:
        set_slice_rule(tag=tag(project, "odd"), by=None, **{what: "two"})
    assert refused.value.field == what
    assert SliceRule.objects.count() == 1
    set_slice_rule(tag=tag(project, "odd"), by=None, **{what: "ONE"})


def test_a_new_row_whose_tags_conflict_is_rejected_with_both_named(project, make_comparisons):
    make_comparisons(project, 2)
    set_slice_rule(tag=tag(project, "even"), language="fr", by=None)
    set_slice_rule(tag=tag(project, "odd"), language="de", by=None)
    (rejection,) = both_tags(project).rejections
    assert (rejection.line, rejection.field) == (7, "tags")
    assert "'de' (odd) and 'fr' (even)" in rejection.reason


def test_without_its_rule_a_tag_asks_for_the_default_again(project, make_comparisons):
    (comparison,) = make_comparisons(project, 1)
    rule = set_slice_rule(tag=tag(project, "even"), overlap=9, language="fr", by=None)
    remove_slice_rule(rule=rule, by=None)
    assert asked(comparison) == (2, 2, "", "")
    assert not SliceRule.objects.exists()


def test_a_comparison_that_gets_a_tag_later_is_moved_on_demand(project, make_comparisons):
    even, odd = make_comparisons(project, 2)
    set_slice_rule(tag=tag(project, "even"), overlap=3, by=None)
    odd.tags.add(tag(project, "even"))
    apply_slice_rules([odd.pk, even.pk], project=project)
    assert asked(odd)[:2] == (3, 3)


@pytest.mark.parametrize(
    "rule",
    [{"overlap": 10}, {"overlap": -1}, {}, {"language": "  "}],
    ids=["ten", "negative", "nothing", "blank"],
)
def test_a_rule_that_can_not_be_is_refused(rule, project, make_comparisons):
    make_comparisons(project, 1)
    with pytest.raises(Refused) as refused:
        set_slice_rule(tag=tag(project, "even"), by=None, **rule)
    assert refused.value.field == "overlap"


def test_an_evaluation_is_not_moved_by_a_rule(project, make_comparisons):
    make_comparisons(project, 1)
    set_slice_rule(tag=tag(project, "even"), overlap=5, by=None)
    record = ComparisonRecord(
        key="e",
        prompt=[{"role": "user", "content": "Evaluate?"}],
        responses=[ResponseRecord("a", "x", "One."), ResponseRecord("b", "y", "Two.")],
        tags=["even"],
        purpose="evaluate",
    )
    store_records(project=project, records=[record], by=None)
    assert project.comparisons.get(external_id="e").overlap == 0


def test_a_person_has_exactly_the_languages_and_skills_given(project, make_rater):
    ana = make_rater(project, "ana")
    set_qualifications(rater=ana, languages=["French", "french ", "de"], skills=["Law"], by=None)
    given = set_qualifications(rater=ana, languages=["de", ""], skills=["Tax  law"], by=None)
    assert [(row.kind, row.name) for row in given] == [("language", "de"), ("skill", "tax law")]
    assert AuditEntry.objects.filter(verb="set qualifications", target_id=ana.pk).count() == 2


def test_a_machine_has_no_languages_and_a_name_fits_its_column(project, make_rater):
    with pytest.raises(Refused):
        set_qualifications(
            rater=make_rater(project, "bot", kind="judge"), languages=["de"], skills=[], by=None
        )
    with pytest.raises(Refused) as refused:
        set_qualifications(rater=make_rater(project, "ana"), languages=[], skills=["x" * 61], by=None)
    assert refused.value.field == "skills"
