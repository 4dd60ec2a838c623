"""Every part of a judgment that comes with a file: checked, placed and stored, or rejected by name."""

import pytest

from feedback.actions.imports import store_records
from feedback.models import Flag, Judgment, QueueItem, Rater, Span
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord, SpanRecord

RANKED = {"a": 1, "b": 2}


@pytest.fixture
def store(project):
    """Imports one comparison with these judgments; the rejections."""

    def store(*judgments):
        record = ComparisonRecord(
            key="q1",
            prompt=[{"role": "user", "content": "Which tea?"}],
            responses=[ResponseRecord("a", "x", "🍵 is tea."), ResponseRecord("b", "y", "Mint.")],
            judgments=judgments,
            line=1,
        )
        return store_records(project=project, records=[record], by=None).rejections

    return store


def test_the_parts_are_stored_by_canonical_position(store):
    spans = [SpanRecord("b", 0, 5, "Dry."), SpanRecord("a", 0, 1, "A cup.")]
    said = JudgmentRecord("ana", ranking=RANKED, all_bad=True, spans=spans, flags=["broken"], simulated=True)
    assert not store(said)
    judgment = Judgment.objects.get()
    assert judgment.all_bad
    assert list(Span.objects.values_list("position", "start", "end")) == [(0, 0, 1), (1, 0, 5)]
    assert Flag.objects.get().comparison_id == judgment.comparison_id
    assert Rater.objects.get().simulated


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"spans": [SpanRecord("c", 0, 1, "x")]}, "spans[0].response"),
        ({"spans": [SpanRecord("a", 0, 1, "x"), SpanRecord("a", 0, 10, "x")]}, "spans[1]"),
        ({"spans": [SpanRecord("a", 1, 1, "x")]}, "spans[0]"),
        ({"spans": [SpanRecord("a", -1, 1, "x")]}, "spans[0]"),
        ({"spans": [SpanRecord("a", 0, 1, "x" * 2001)]}, "spans[0].comment"),
        ({"spans": [SpanRecord("a", 0, 1, "\x00")]}, "spans[0].comment"),
        ({"spans": [SpanRecord("a", 0, 1, "x")] * 101}, "spans"),
        ({"flags": ["rude"]}, "flags"),
        ({"flags": ["broken", "broken"]}, "flags"),
        ({"outcome": "skipped", "ranking": {}, "all_bad": True}, "all_bad"),
        ({"outcome": "skipped", "ranking": {}, "adjudicates": True}, "adjudicates"),
        ({"kind": "judge", "adjudicates": True}, "adjudicates"),
        ({"kind": "judge", "simulated": True}, "simulated"),
    ],
)
def test_a_bad_part_rejects_the_judgment_and_is_named(changes, field, store):
    (rejection,) = store(JudgmentRecord(**{"rater": "ana", "ranking": RANKED, **changes}))
    assert rejection.field == f"judgments[0].{field}"
    assert not Judgment.objects.exists()


def test_a_decision_stands_beside_its_reviewers_own_vote_and_holds_no_slot(store, project):
    own = JudgmentRecord("rob", ranking=RANKED)
    decision = JudgmentRecord("rob", ranking={"a": 2, "b": 1}, rationale="Decided.", adjudicates=True)
    assert not store(own, decision)
    assert Judgment.objects.filter(current=True).count() == 2
    assert QueueItem.objects.get().slots_free == project.overlap - 1
    assert not store(own, decision)
    assert Judgment.objects.count() == 2


def test_a_comparison_is_decided_once(store):
    decisions = [
        JudgmentRecord(name, ranking=RANKED, rationale="Decided.", adjudicates=True)
        for name in ("rob", "ria")
    ]
    (rejection,) = store(*decisions)
    assert rejection.field == "judgments[1]"
    assert Judgment.objects.get().rater.name == "rob"


def test_other_spans_are_another_judgment_and_other_flags_are_not(store):
    said = JudgmentRecord("ana", ranking=RANKED, spans=[SpanRecord("a", 0, 1, "x")])
    assert not store(said)
    assert not store(JudgmentRecord("ana", ranking=RANKED, spans=said.spans, flags=["broken"]))
    (rejection,) = store(JudgmentRecord("ana", ranking=RANKED))
    assert "judged this comparison otherwise" in rejection.reason
