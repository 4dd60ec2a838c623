"""Records are stored at most once, and a bad one is told with its reason and stops no other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from feedback.actions import import_reading
from feedback.actions.imports import store_records
from feedback.actions.judgments import MachineVerdict, store_verdicts, submit_judgment
from feedback.actions.projects import rater_of
from feedback.answers import Verdict
from feedback.models import (
    AuditEntry,
    Comparison,
    Criterion,
    Judgment,
    Prompt,
    QueueItem,
    Rater,
    Response,
    Rubric,
    Score,
)
from feedback.records import MAX_RESPONSES, ComparisonRecord, JudgmentRecord, Rejection, ResponseRecord

FIRST, SECOND = {"a": 1, "b": 2}, {"a": 2, "b": 1}


def record(key="q1", *, judgments=(), texts=("Because.", "No."), line=1, **fields):
    return ComparisonRecord(
        key=key,
        prompt=[{"role": "user", "content": "Why?"}],
        responses=[
            ResponseRecord(name, f"model-{name}", text) for name, text in zip("ab", texts, strict=True)
        ],
        judgments=judgments,
        line=line,
        **fields,
    )


def said(rater="ana", ranking=FIRST, **fields):
    return JudgmentRecord(rater, ranking=ranking, **fields)


def exchanged(one):
    """The same comparison with its sides, and so its keys, the other way round."""
    first, second = one.responses
    return replace(one, responses=[replace(second, key="a"), replace(first, key="b")])


@pytest.fixture
def store(project):
    def run(*records, **kwargs):
        return store_records(project=project, records=records, by=None, **kwargs)

    return run


def only_rejection(summary):
    (rejection,) = summary.rejections
    return rejection


def test_the_same_records_again_change_nothing(store):
    records = [record(judgments=[said(), said("bot", SECOND, kind="judge")]), record("q2")]
    first, again = store(*records), store(*records)
    assert (first.comparisons_new, first.judgments_new) == (2, 2)
    assert (again.comparisons_unchanged, again.judgments_unchanged, again.changed) == (2, 2, False)
    assert not first.rejections + again.rejections


def test_the_same_record_twice_in_one_file_is_stored_once(store):
    summary = store(record(judgments=[said()]), record(judgments=[said()], line=2))
    assert (summary.comparisons_new, summary.comparisons_unchanged) == (1, 1)
    assert (summary.judgments_new, summary.judgments_unchanged) == (1, 1)


def test_a_prompt_is_stored_once_for_all_of_its_comparisons(store):
    store(record("q1"), record("q2", texts=("Perhaps.", "No.")))
    assert (Prompt.objects.count(), Response.objects.count()) == (1, 3)


def test_without_an_id_exchanged_sides_are_the_same_comparison_and_votes_keep_their_meaning(store):
    one = record(None, judgments=[said("ana", FIRST)])
    summary = store(one, replace(exchanged(one), judgments=[said("ben", SECOND)]))
    assert (summary.comparisons_new, summary.comparisons_unchanged) == (1, 1)
    assert set(Judgment.objects.values_list("rater__name", "ranking")) == {("ana", (1, 2)), ("ben", (1, 2))}


def test_an_exchanged_copy_with_the_opposite_vote_is_a_contradiction(store):
    one = record(None, judgments=[said("ana", FIRST)])
    summary = store(one, replace(exchanged(one), judgments=[said("ana", FIRST)], line=2))
    assert only_rejection(summary) == Rejection(
        2, "ana has judged this comparison otherwise; only one judgment counts", "judgments[0]"
    )
    assert Judgment.objects.get().ranking == (1, 2)


def test_an_id_with_other_texts_is_rejected(store):
    summary = store(record(), record(texts=("Because!", "No."), line=2))
    assert (only_rejection(summary).line, only_rejection(summary).field) == (2, "id")
    assert only_rejection(store(record(texts=("Other.", "No."), line=9))).line == 9


def test_identical_texts_of_two_sources_are_a_pair_and_empty_ones_too(store):
    assert not store(record("same", texts=("Yes.", "Yes.")), record("empty", texts=("", "Yes."))).rejections


def test_a_human_judgment_takes_its_slot_in_the_queue_and_more_than_asked_widen_it(store, project):
    store(record("q1", judgments=[said("ana")]), record("q2", judgments=[said(name) for name in "abc"]))
    free = dict(QueueItem.objects.values_list("comparison__external_id", "slots_free"))
    assert free == {"q1": 1, "q2": 0}
    assert Comparison.objects.get(external_id="q2").overlap == 3


def test_skips_and_machines_take_no_slot(store):
    store(record(judgments=[said(ranking={}, outcome="skipped"), said("bot", kind="judge")]))
    assert QueueItem.objects.get().slots_free == 2


def test_a_missing_verdict_stays_missing(store):
    store(record(judgments=[said("bot", {}, kind="judge", outcome="unparseable")]))
    judgment = Judgment.objects.get()
    assert (judgment.outcome, judgment.ranking) == ("unparseable", ())


def test_ranks_are_stored_without_gaps_by_canonical_position(store):
    judged = said(
        ranking={"a": 1, "b": 1}, shown=["b", "a"], at=datetime(2026, 5, 1, tzinfo=UTC), seconds=3.5
    )
    store(record(judgments=[judged]))
    judgment = Judgment.objects.get()
    assert (judgment.ranking, judgment.shown, judgment.seconds) == ((1, 1), (1, 0), 3.5)


@pytest.mark.parametrize(
    ("judgment", "field"),
    [
        (said(ranking={"a": 1}), "judgments[0].ranking"),
        (said(ranking={"a": 1, "b": 3}), "judgments[0].ranking"),
        (said(ranking={"a": 0, "b": 1}), "judgments[0].ranking"),
        (said(outcome="refused"), "judgments[0].ranking"),
        (said(outcome="lost"), "judgments[0].outcome"),
        (said(kind="ghost"), "judgments[0].kind"),
        (said(""), "judgments[0].rater"),
        (said("x" * 201), "judgments[0].rater"),
        (said("\ud800"), "judgments[0].rater"),
        (said(shown=["a", "a"]), "judgments[0].shown"),
        (said(seconds=float("inf")), "judgments[0].seconds"),
        (said(seconds=-1.0), "judgments[0].seconds"),
        (said(strength=101), "judgments[0].strength"),
        (said(rationale="a\x00b"), "judgments[0].rationale"),
        (said(scores={"a": {"clarity": 3}}), "judgments[0].scores"),
    ],
)
def test_a_bad_judgment_is_rejected_and_its_comparison_kept(store, judgment, field):
    summary = store(record(judgments=[judgment, said("ben")]))
    assert only_rejection(summary).field == field
    assert (summary.comparisons_new, summary.judgments_new) == (1, 1)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (record(texts=("a\x00", "b")), "responses[0].text"),
        (record(texts=("\udc00", "b")), "responses[0].text"),
        (record("x" * 201), "id"),
        (record(tags=["\ud800"]), "tags"),
        (record(purpose="fun"), "purpose"),
        (record(metadata={"a": ["\x00"]}), "metadata"),
        (record(metadata={"\ud800": 1}), "metadata"),
        (record(metadata={"a": float("nan")}), "metadata"),
        (record(metadata={"a": object()}), "metadata"),
        (record(metadata={"a": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}), "metadata"),
        (replace(record(), prompt=[{"role": "user", "content": "\x00"}]), "prompt[0].content"),
        (replace(record(), prompt=[{"role": "assistant", "content": "x"}]), "prompt"),
        (replace(record(), responses=record().responses[:1]), "responses"),
        (
            replace(
                record(), responses=[ResponseRecord(str(n), "x", str(n)) for n in range(MAX_RESPONSES + 1)]
            ),
            "responses",
        ),
    ],
)
def test_a_bad_record_is_rejected_and_stops_no_other(store, bad, field):
    summary = store(replace(bad, line=1), record("good", line=2))
    assert (only_rejection(summary).line, only_rejection(summary).field) == (1, field)
    assert summary.comparisons_new == 1


def test_a_ranking_of_the_most_responses_fits_its_column(store):
    responses = [ResponseRecord(str(n), "x", str(n)) for n in range(MAX_RESPONSES)]
    ranking = {str(n): n + 1 for n in range(MAX_RESPONSES)}
    assert not store(replace(record(judgments=[said(ranking=ranking)]), responses=responses)).rejections
    assert Judgment.objects.get().ranking == tuple(range(1, MAX_RESPONSES + 1))


@pytest.fixture
def clarity(project):
    rubric = Rubric.objects.create(project=project, name="r", sha256="0" * 64)
    return Criterion.objects.create(rubric=rubric, name="clarity", scale_min=0, scale_max=3)


@pytest.mark.parametrize("value", [5, 10, -1, True, 2.5])
def test_a_score_outside_its_scale_is_rejected_and_not_clipped(store, clarity, value):
    summary = store(record(judgments=[said(scores={"a": {"clarity": value}})]))
    assert "the scale goes from 0 to 3" in only_rejection(summary).reason
    assert not Score.objects.exists()


def test_scores_are_kept_by_position_and_found_again_under_other_keys(store, clarity):
    one = record(None, judgments=[said(scores={"b": {"clarity": 3}, "a": {"clarity": 1}})])
    store(one)
    other = replace(
        exchanged(one), judgments=[said(ranking=SECOND, scores={"a": {"clarity": 3}, "b": {"clarity": 1}})]
    )
    assert store(other).judgments_unchanged == 1
    assert set(Score.objects.values_list("position", "value")) == {(0, 1), (1, 3)}


def test_a_score_of_no_response_is_rejected(store, clarity):
    assert "none of the responses" in only_rejection(store(record(judgments=[said(scores={"z": {}})]))).reason


def test_what_a_person_said_here_counts_as_unchanged_when_a_file_says_the_same(
    store, project, make_user, new_id
):
    store(record())
    rater = rater_of(project=project, user=make_user("ana", project=project, role="annotator"))
    comparison = Comparison.objects.get()
    submit_judgment(
        rater=rater,
        comparison=comparison,
        submission_id=new_id(),
        verdict=Verdict(ranking=(1, 2), rationale="Short."),
    )
    assert store(record(judgments=[said(rationale="Short.")])).judgments_unchanged == 1
    assert "otherwise" in only_rejection(store(record(judgments=[said(ranking=SECOND)]))).reason
    assert Judgment.objects.count() == 1


def test_an_imported_judgment_that_was_revised_since_is_not_stored_again(store, new_id):
    store(record(judgments=[said("bot", kind="judge")]))
    rater, comparison = Rater.objects.get(), Comparison.objects.get()
    revised = MachineVerdict(comparison, new_id(), Verdict(ranking=(2, 1)))
    store_verdicts(rater=rater, verdicts=[revised])
    summary = store(record(judgments=[said("bot", kind="judge")]))
    assert (summary.judgments_new, summary.judgments_unchanged, summary.rejections) == (0, 1, [])
    assert Judgment.objects.get(current=True).ranking == (2, 1)


def test_what_a_reader_rejected_passes_through_and_can_be_told_one_by_one(store):
    told, lines = [], []
    summary = store(
        record("q1", line=1),
        Rejection(2, "broken"),
        record("", texts=("\x00", "b"), line=3),
        reject=told.append,
        progress=lambda line, _: lines.append(line),
    )
    assert {rejection.line for rejection in told} == {2, 3}
    assert summary.rejections == []
    assert lines == [3]


def test_a_failure_in_the_middle_keeps_whole_batches_and_the_audit_trail_says_so(project, monkeypatch):
    monkeypatch.setattr(import_reading, "LARGE_BATCH", import_reading.BATCH)

    def failing():
        for number in range(250):
            yield record(f"q{number}", line=number)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store_records(project=project, records=failing(), by=None)
    entry = AuditEntry.objects.get(verb="import")
    assert (Comparison.objects.count(), entry.detail["comparisons"], entry.detail["complete"]) == (
        200,
        200,
        False,
    )


def test_long_responses_make_smaller_batches(store):
    lines = []
    store(
        *(record(f"q{n}", texts=("x" * 5_000_000, str(n)), line=n) for n in range(5)),
        progress=lambda line, _: lines.append(line),
    )
    assert lines == [1, 3, 4]


def test_an_import_asks_the_database_the_same_number_of_questions_whatever_its_batch_holds(store):
    def queries(count):
        records = [
            record(f"{count}-{n}", texts=(f"{count} {n}", "b"), judgments=[said(), said("bot", kind="judge")])
            for n in range(count)
        ]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            store(*records)
        return len(captured)

    queries(2)  # raters are met
    assert queries(150) <= queries(10) + 8  # SQLite takes so many values in one statement


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_file_at_once_store_it_once(project):
    records = [record(f"q{number}", judgments=[said(), said("bot", kind="judge")]) for number in range(60)]

    def run():
        try:
            return store_records(project=project, records=records, by=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        summaries = [future.result() for future in [pool.submit(run), pool.submit(run)]]
    assert sum(summary.comparisons_new for summary in summaries) == Comparison.objects.count() == 60
    assert sum(summary.judgments_new for summary in summaries) == Judgment.objects.count() == 120
    assert sum(summary.comparisons_unchanged for summary in summaries) == 60
    assert not [rejection for summary in summaries for rejection in summary.rejections]


def test_nobody_speaks_for_a_person_with_an_account(project, store, make_user):
    rater = rater_of(project=project, user=make_user("ana"))
    summary = store(record(judgments=[said("ana", FIRST), said("guest", SECOND)]))
    assert [(refusal.field, refusal.reason) for refusal in summary.rejections] == [
        ("judgments[0].rater", "ana has an account in this project, and judges with it")
    ]
    assert [judgment.rater.name for judgment in Judgment.objects.all()] == ["guest"]
    assert not rater.judgments.exists()
