"""Many comparisons changed at once: what each change does to the queue, at once and by a worker, and who may."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions import bulk
from feedback.actions.bulk import VERBS, carry_out_bulk_change, change_comparisons, change_matching
from feedback.actions.jobs import perform_job, resume_job
from feedback.actions.projects import create_project
from feedback.actions.slices import APPLY_RULES, set_slice_rule
from feedback.errors import Refused
from feedback.models import (
    AuditEntry,
    BulkChange,
    Comparison,
    JobState,
    Pool,
    QueueItem,
    Role,
    Tag,
)
from feedback.queries.judgments import current_judgments
from feedback.queries.search import ComparisonFilter
from feedback.records import JudgmentRecord

EVERYTHING = ComparisonFilter()
JUDGED = [JudgmentRecord("ana", ranking={"a": 1, "b": 2}), JudgmentRecord("ben", ranking={"a": 1, "b": 2})]


@pytest.fixture
def change(project):
    def apply(verb, ids, value="", by=None):
        return change_comparisons(project=project, verb=verb, value=value, ids=ids, by=by)

    return apply


def asked(comparison) -> tuple[int, int | None]:
    """The overlap, and the free slots, or None where it is not in the queue."""
    item = QueueItem.objects.filter(pk=comparison.pk).first()
    return Comparison.objects.get(pk=comparison.pk).overlap, item and item.slots_free


def test_retired_ones_leave_the_queue_and_the_judgments_that_count(project, make_comparisons, change):
    first, second = make_comparisons(project, 2, JUDGED)
    assert change("retire", [first.pk]) == 1
    assert change("retire", [first.pk]) == 0
    assert not QueueItem.objects.filter(pk=first.pk).exists()
    assert {row.comparison_id for row in current_judgments(project)} == {second.pk}
    assert first.judgments.count() == 2


def test_those_brought_back_ask_for_what_is_still_missing(project, make_comparisons, change):
    judged, fresh = make_comparisons(project, 1, JUDGED[:1]) + make_comparisons(project, 1)
    before = asked(judged), asked(fresh)
    change("retire", [judged.pk, fresh.pk])
    assert change("bring_back", [judged.pk, fresh.pk]) == 2
    assert (asked(judged), asked(fresh)) == before == ((2, 1), (2, 2))
    assert current_judgments(project).count() == 1


def test_one_more_person_is_asked_up_to_nine(project, make_comparisons, change):
    full, fresh = make_comparisons(project, 1, JUDGED) + make_comparisons(project, 1)
    assert change("ask_one_more", [full.pk, fresh.pk]) == 2
    assert (asked(full), asked(fresh)) == ((3, 1), (3, 3))
    for _ in range(8):
        change("ask_one_more", [full.pk])
    assert asked(full) == (9, 7)
    assert change("ask_one_more", [full.pk]) == 0


def test_fewer_people_are_never_fewer_than_have_judged(project, make_comparisons, change):
    full, fresh = make_comparisons(project, 1, JUDGED) + make_comparisons(project, 1)
    change("overlap", [full.pk, fresh.pk], "1")
    assert (asked(full), asked(fresh)) == ((2, 0), (1, 1))
    change("overlap", [full.pk, fresh.pk], "5")
    assert (asked(full), asked(fresh)) == ((5, 3), (5, 5))


def test_a_priority_is_set_where_it_was_another(project, make_comparisons, change):
    first, second = make_comparisons(project, 2)
    assert change("priority", [first.pk], "7") == 1
    assert change("priority", [first.pk, second.pk], "7") == 1
    assert set(QueueItem.objects.values_list("priority", flat=True)) == {7}


def test_a_tag_is_added_once_and_taken_away(project, make_comparisons, change):
    first, second = make_comparisons(project, 2)
    assert change("add_tag", [first.pk, second.pk], "even") == 1
    assert change("add_tag", [first.pk], "hard") == 1
    assert sorted(tag.name for tag in first.tags.all()) == ["even", "hard"]
    assert change("remove_tag", [first.pk, second.pk], "hard") == 1
    assert change("remove_tag", [first.pk], "unheard of") == 0
    assert [tag.name for tag in first.tags.all()] == ["even"]


def test_a_tag_with_a_rule_moves_its_comparisons_to_who_can_judge_them(project, make_comparisons, change):
    comparison = make_comparisons(project, 1)[0]
    tag = Tag.objects.create(project=project, name="french")
    set_slice_rule(tag=tag, by=None, overlap=4, language="fr")
    change("add_tag", [comparison.pk], "french")
    pool = Pool.objects.get(pk=QueueItem.objects.get(pk=comparison.pk).pool_id)
    assert (pool.language, asked(comparison)) == ("fr", (4, 4))
    change("remove_tag", [comparison.pk], "french")
    pool = Pool.objects.get(pk=QueueItem.objects.get(pk=comparison.pk).pool_id)
    assert (pool.language, asked(comparison)) == ("", (2, 2))


def test_rules_that_no_one_can_meet_together_are_refused_and_nothing_is_tagged(
    project, make_comparisons, change
):
    comparison = make_comparisons(project, 1)[0]
    for name, language in (("french", "fr"), ("german", "de")):
        set_slice_rule(tag=Tag.objects.create(project=project, name=name), by=None, language=language)
    change("add_tag", [comparison.pk], "french")
    with pytest.raises(Refused, match="two languages"):
        change("add_tag", [comparison.pk], "german")
    assert "german" not in {tag.name for tag in comparison.tags.all()}


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("explode", ""),
        ("retire", "x"),
        ("overlap", ""),
        ("overlap", "10"),
        ("overlap", "-1"),
        ("overlap", "²"),
        ("priority", "soon"),
        ("priority", "9" * 12),
        ("add_tag", " "),
        ("add_tag", "x" * 101),
        ("add_tag", "\x00"),
    ],
)
def test_what_can_not_be_done_is_refused_before_anything_changes(
    verb, value, project, make_comparisons, change
):
    comparison = make_comparisons(project, 1)[0]
    with pytest.raises(Refused):
        change(verb, [comparison.pk], value)
    assert not AuditEntry.objects.filter(target="comparison").exists()


def test_each_comparison_that_changed_has_its_line_in_the_audit_trail(
    project, make_comparisons, change, make_user
):
    first, second = make_comparisons(project, 2)
    change("retire", [first.pk])
    change("retire", [first.pk, second.pk], by=make_user("lead"))
    rows = AuditEntry.objects.filter(verb="retire").order_by("pk")
    assert [(row.target, row.target_id, str(row.actor)) for row in rows] == [
        ("comparison", first.pk, "None"),
        ("comparison", second.pk, "lead"),
    ]


def test_another_projects_comparisons_are_never_changed(project, make_comparisons, change):
    foreign = make_comparisons(create_project(name="Elsewhere", by=None), 1)[0]
    assert change("retire", [foreign.pk]) == 0
    assert Comparison.objects.get(pk=foreign.pk).retired_at is None


def test_few_that_fit_a_filter_are_changed_at_once(project, make_comparisons):
    make_comparisons(project, 4)
    wanted = ComparisonFilter(tag="odd")
    done = change_matching(project=project, verb="retire", value="", wanted=wanted, by=None)
    assert done == 2
    assert set(Comparison.objects.filter(retired_at=None).values_list("external_id", flat=True)) == {
        "q0",
        "q2",
    }
    with pytest.raises(Refused, match="No comparison fits"):
        change_matching(project=project, verb="retire", value="", wanted=ComparisonFilter(tag="no"), by=None)


@pytest.fixture
def many(project, make_comparisons, monkeypatch):
    """A change of more comparisons than are done at once, and one that came after it was asked for."""
    monkeypatch.setattr(bulk, "FEW", 3)
    monkeypatch.setattr(bulk, "AT_ONCE", 4)
    make_comparisons(project, 100)
    asked_for = change_matching(
        project=project, verb="retire", value="", wanted=ComparisonFilter(tag="even"), by=None
    )
    make_comparisons(project, 1)
    return asked_for


def test_many_are_a_workers_who_leaves_those_that_came_later(many, project):
    assert isinstance(many, BulkChange)
    perform_job(many.job_id, carry_out_bulk_change)
    many.refresh_from_db()
    assert (many.job.state, many.changed) == (JobState.QUEUED, 50) or many.changed == 50
    assert BulkChange.objects.get().job.state == JobState.SUCCEEDED
    retired = Comparison.objects.exclude(retired_at=None)
    assert retired.count() == 50
    assert not retired.filter(external_id="q100").exists()


def test_a_change_that_was_stopped_goes_on_and_counts_each_once(many, monkeypatch):
    done = []
    chunks = bulk._change

    def stop_after_three(*args):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(args)
        return chunks(*args)

    monkeypatch.setattr(bulk, "_change", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        perform_job(many.job_id, carry_out_bulk_change)
    many.refresh_from_db()
    before = sum(len(ids) for _, _, ids, _ in done)
    assert many.changed == Comparison.objects.exclude(retired_at=None).count() == before > 0
    monkeypatch.setattr(bulk, "_change", chunks)
    job = many.job
    type(job).objects.filter(pk=job.pk).update(state=JobState.INTERRUPTED)
    resume_job(job=job, by=None)
    perform_job(job.pk, carry_out_bulk_change)
    many.refresh_from_db()
    assert many.changed == Comparison.objects.exclude(retired_at=None).count() == 50


@pytest.fixture
def client(project, make_user):
    client = Client()
    client.force_login(make_user("eva", project=project, role="engineer"))
    return client


def test_the_page_names_the_number_and_only_the_button_changes_anything(client, project, make_comparisons):
    first, second, _ = make_comparisons(project, 3)
    url = reverse("feedback:bulk", args=[project.slug])
    chosen = {"verb": "retire", "pk": [first.pk, second.pk]}
    assert "2 comparisons" in client.get(url, chosen).content.decode()
    assert "3 comparisons" in client.get(url, {"verb": "retire", "all": "1"}).content.decode()
    assert "1 comparison" in client.get(url, {"verb": "retire", "all": "1", "tag": "odd"}).content.decode()
    assert not Comparison.objects.exclude(retired_at=None).exists()
    client.post(url, chosen)
    assert Comparison.objects.exclude(retired_at=None).count() == 2
    client.post(url, {"verb": "bring_back", "all": "1", "state": "retired"})
    assert not Comparison.objects.exclude(retired_at=None).exists()


@pytest.mark.parametrize("chosen", [{}, {"verb": "retire"}, {"verb": "overlap", "pk": "1", "value": "x"}])
def test_what_is_not_chosen_well_leads_back_with_a_sentence(chosen, client, project, make_comparisons):
    make_comparisons(project, 1)
    url = reverse("feedback:bulk", args=[project.slug])
    for answer in (client.get(url, chosen, follow=True), client.post(url, chosen, follow=True)):
        assert answer.redirect_chain[-1][0].startswith(reverse("feedback:comparisons", args=[project.slug]))
        assert "flash is-error" in answer.content.decode()


def test_a_workers_change_is_followed_stopped_and_resumed_on_its_page(client, many, project):
    page = reverse("feedback:bulk-change", args=[project.slug, many.pk])
    assert "It waits for a worker." in client.get(page).content.decode()
    client.post(reverse("feedback:bulk-cancel", args=[project.slug, many.pk]))
    assert "Resume" in client.get(page).content.decode()
    client.post(reverse("feedback:bulk-resume", args=[project.slug, many.pk]))
    perform_job(many.job_id, carry_out_bulk_change)
    assert "50 comparisons changed" in client.get(page).content.decode()


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, None])
def test_only_an_engineer_changes_many(role, many, project, make_user):
    client = Client()
    client.force_login(make_user("other", project=project, role=role))
    chosen = {"verb": "retire", "all": "1"}
    urls = [reverse("feedback:bulk", args=[project.slug])]
    urls += [reverse(f"feedback:bulk-{name}", args=[project.slug, many.pk]) for name in ("cancel", "resume")]
    assert [client.post(url, chosen).status_code for url in urls] == [404, 404, 404]
    assert client.get(reverse("feedback:bulk-change", args=[project.slug, many.pk])).status_code == 404
    assert not Comparison.objects.exclude(retired_at=None).exists()


def test_every_change_that_there_is_has_words_on_the_page(client, project, make_comparisons):
    make_comparisons(project, 1)
    html = client.get(reverse("feedback:comparisons", args=[project.slug])).content.decode()
    assert all(f'value="{verb}"' in html for verb in set(VERBS) - {APPLY_RULES})
