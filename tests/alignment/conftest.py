"""Fixtures for this room: projects with judgments, from real data and made up, and jobs carried out here."""

import random

import pytest
from django.conf import settings

from alignment.actions.imports import import_file
from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from alignment.formats.mapping import parse_mapping
from feedback.actions.imports import store_records
from feedback.actions.jobs import perform_job
from feedback.actions.projects import create_project
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord

MAPPING = settings.BASE_DIR / "tests" / "data" / "pandalm.mapping.json"
RANKING = {"first": {"a": 1, "b": 2}, "second": {"a": 2, "b": 1}, "tie": {"a": 1, "b": 1}}
FLIPPED = {"first": "second", "second": "first"}


def said(rater: str, verdict: str | None, kind: str = "human") -> JudgmentRecord:
    """A judgment on a pair: first, second, tie, or None for a reply that could not be parsed."""
    if verdict is None:
        return JudgmentRecord(rater, kind=kind, outcome="unparseable")
    return JudgmentRecord(rater, kind=kind, ranking=RANKING[verdict])


def pair(key: str, judgments: list[JudgmentRecord], tags: tuple[str, ...] = ()) -> ComparisonRecord:
    return ComparisonRecord(
        key=key,
        prompt=[{"role": "user", "content": f"Question {key}?"}],
        responses=[ResponseRecord("a", "x", f"A to {key}."), ResponseRecord("b", "y", f"B to {key}.")],
        tags=tags,
        judgments=judgments,
    )


@pytest.fixture
def pandalm(db, shared_data):
    """PandaLM's 999 comparisons with its three annotators and two judges."""
    project = create_project(name="PandaLM", by=None, overlap=3)
    report = import_file(
        project=project,
        path=shared_data / "pandalm" / "comparisons.jsonl",
        mapping=parse_mapping(MAPPING.read_text()),
        by=None,
    )
    assert not report.rejected
    return project


@pytest.fixture
def judged_records():
    """120 comparisons: three people who mostly see the truth, a good judge, and one good on even ones only.

    The last 40 comparisons have no person's verdict; ``partly`` has no verdict on every tenth.
    """
    rng = random.Random(5)
    records = []
    for index in range(120):
        truth, tag = rng.choice(("first", "second")), ("odd", "even")[index % 2 == 0]

        def sees(accuracy, truth=truth):
            return truth if rng.random() < accuracy else FLIPPED[truth]

        people = [said(name, sees(0.93)) for name in ("ana", "ben", "cy")] if index < 80 else []
        judges = [
            said("good", sees(0.95), "judge"),
            said("partly", None if index % 10 == 9 else sees(0.95 if tag == "even" else 0.4), "judge"),
        ]
        records.append(pair(f"q{index:03d}", people + judges, (tag,)))
    return records


@pytest.fixture
def judged(project, judged_records):
    """The project with ``judged_records``."""
    summary = store_records(project=project, records=judged_records, by=None)
    assert not summary.rejections
    return project


@pytest.fixture
def policy(judged):
    return create_policy(project=judged, name="default", document={}, by=None)


@pytest.fixture
def label(db):
    """Apply a policy and carry it out here, as a worker would."""

    def carry_out(policy):
        labelling = apply_policy(policy=policy, by=None)
        perform_job(labelling.job_id, carry_out_labelling)
        labelling.refresh_from_db()
        return labelling

    return carry_out
