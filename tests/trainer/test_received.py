"""What a machine elsewhere may say of a run, and what no page could show."""

import pytest

from feedback.records import BadRecord
from trainer.events import KINDS
from trainer.received import check_event, check_result

METRIC = {"kind": "metric", "step": 1, "total_steps": 6, "epoch": 0.5, "values": {"loss": 0.5}}
STARTED = {
    **{"kind": "started", "method": "reward", "spec_sha256": "1", "versions": {}, "device": "cpu"},
    **{"rows": {"train": {"given": 2, "used": 2}}, "columns": {}, "resumed_step": 0},
}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"kind": ["warning"]}, "kind"),
        ({"kind": "song"}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"seq": True}, "seq"),
        ({"seq": 2**31}, "seq"),
        ({"at": "now"}, "at"),
        ({"at": 3}, "at"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"message": {"a": 1}}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"message": "half \ud800"}, "message"),
        ({"message": "long" * 10_000}, "message"),
        (METRIC | {"step": -1}, "step"),
        (METRIC | {"step": "1"}, "step"),
        (METRIC | {"step": 2**40}, "step"),
        (METRIC | {"values": [1]}, "values"),
        (METRIC | {"values": {"loss": float("inf")}}, "values"),
        (METRIC | {"values": {"loss": 10**400}}, "values.loss"),
        (METRIC | {"values": {"loss": "low"}}, "values.loss"),
        (METRIC | {"values": {f"n{number}": 1 for number in range(300)}}, "values"),
        (STARTED | {"rows": {"train": 3}}, "rows.train"),
        (STARTED | {"rows": {"train": {"given": 3}}}, "rows.train.used"),
        ({"kind": "samples", "step": 1, "samples": [{"prompt": 3, "text": "a"}]}, "samples[0].prompt"),
        (
            {"kind": "samples", "step": 1, "samples": [{"prompt": [{}], "text": "a"}]},
            "samples[0].prompt[0].content",
        ),
        ({"kind": "alarm", "step": 1, "alarm": [], "evidence": ""}, "alarm"),
        ({"kind": "samples", "step": 1, "samples": [{"prompt": "a" * 2**20, "text": "a"}]}, ""),
    ],
)
def test_what_is_no_event_names_the_field_at_fault(event, field):
    kept = {} if {"step", "rows"} & set(event) else {"message": "m"}
    bad = {"seq": 2, "at": "2026-01-01T00:00:00+00:00", "kind": "warning"} | kept | event
    with pytest.raises(BadRecord) as refused:
        check_event(bad)
    assert (refused.value.field or "") == field


def test_every_kind_of_event_that_the_runner_writes_is_taken():
    kinds = [
        STARTED,
        METRIC,
        {"kind": "checkpoint", "step": 3, "path": "checkpoint-3"},
        {"kind": "evaluation", "step": 3, "values": {"loss": None}},
        {
            "kind": "samples",
            "step": 3,
            "samples": [{"prompt": [{"role": "user", "content": "Hi"}], "text": "a"}],
        },
        {"kind": "alarm", "step": 3, "alarm": "nan", "evidence": "loss is not a finite number."},
        {
            "kind": "trial",
            "number": 0,
            "parameters": {"beta": 1},
            "state": "running",
            "value": None,
            "values": {},
        },
        {"kind": "cancelled", "step": 3, "checkpoint": None, "reason": "SIGTERM was received"},
        {"kind": "failed", "message": "no"},
        {"kind": "finished", "result": {"model": "final"}},
    ]
    for kind in kinds:
        check_event({"seq": 1, "at": "2026-01-01T00:00:00+00:00"} | kind)
    assert {str(kind["kind"]) for kind in kinds} == set(KINDS) - {"warning"}


@pytest.mark.parametrize(
    ("result", "field"),
    [
        ([], "result"),
        ({"steps": 3}, "model"),
        ({"model": "final", "accuracy": 1}, "accuracy"),
        ({"model": "final", "accuracy": {"value": "x", "n": 3}}, "accuracy.value"),
        ({"model": "final", "steps": []}, "steps"),
        ({"model": "final", "evaluation": {"loss": "low"}}, "evaluation.loss"),
    ],
)
def test_a_result_that_no_page_can_show_names_the_field_at_fault(result, field):
    with pytest.raises(BadRecord) as refused:
        check_result(result)
    assert refused.value.field == field
