"""What leaves: a backup that comes back whole, and a snapshot's rows for every trainer."""

import json
import resource
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from django.core.management import CommandError, call_command

from alignment.actions import backups
from alignment.actions.backups import project_rows
from alignment.actions.exports import export
from alignment.actions.imports import import_file
from alignment.actions.snapshots import freeze_snapshot, snapshot_folder
from alignment.formats.dataset_folder import read_split
from alignment.models import Asking
from alignment.queries import snapshot_named
from feedback.actions.imports import store_records
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import create_project, rater_of
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import AuditEntry, Criterion, Flag, Rubric
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord, SpanRecord


@pytest.fixture
def snapshot(policy, label):
    label(policy)
    return freeze_snapshot(project=policy.project, policy=policy, by=None)


def rubric_in(project):
    rubric = Rubric.objects.create(project=project, name="r", sha256="0" * 64)
    Criterion.objects.create(rubric=rubric, name="clarity")


def rows_of(project):
    return {row.id: msgspec.to_builtins(row) for row in project_rows(project)}


@pytest.fixture
def rich(project, make_user, new_id):
    """A project with one of everything that the format holds."""
    rubric_in(project)
    record = ComparisonRecord(
        key="q1",
        prompt=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "לָמָּה? 👩🏽‍🚀"}],
        responses=[ResponseRecord(key, f"m-{key}", f"{key}\r\n") for key in "abc"],
        tags=["x", "y"],
        reference="42",
        metadata={"n": [1, None, {"é": 0.1}]},
        judgments=[
            JudgmentRecord(
                "ana",
                ranking={"a": 2, "b": 1, "c": 2},
                strength=2,
                shown=["c", "a", "b"],
                scores={"b": {"clarity": 5}, "a": {"clarity": 1}},
                rationale="So.",
                all_bad=True,
                spans=[SpanRecord("b", 0, 1, "Só."), SpanRecord("c", 1, 3, "A line's end.")],
                flags=["broken", "unsafe"],
                seconds=31.5,
                simulated=True,
            ),
            JudgmentRecord("bot", kind="judge", outcome="refused"),
            JudgmentRecord("rob", ranking={"a": 2, "b": 1, "c": 3}, rationale="Decided.", adjudicates=True),
        ],
    )
    evaluation = ComparisonRecord(
        prompt=[{"role": "user", "content": "?"}],
        responses=[ResponseRecord("1", "x", "same"), ResponseRecord("2", "y", "same")],
        purpose="evaluate",
    )
    assert not store_records(project=project, records=[record, evaluation], by=None).rejections
    rater = rater_of(project=project, user=make_user("cy", project=project, role="annotator"))
    comparison = project.comparisons.get(external_id="q1")
    submit_judgment(
        rater=rater, comparison=comparison, submission_id=new_id(), verdict=Verdict(ranking=(1, 1, 3))
    )
    return project


@pytest.mark.parametrize("name", ["backup.jsonl", "backup.jsonl.gz", "backup.jsonl.zst", "backup.parquet"])
def test_a_backup_comes_back_as_the_same_content_and_home_as_nothing_new(rich, tmp_path, name):
    path = tmp_path / name
    summary = export(project=rich, format="concord", path=path, by=None)
    assert summary.rows == 2
    other = create_project(name="Restored", by=None)
    rubric_in(other)
    report = import_file(project=other, path=path, by=None)
    assert (report.stored.comparisons_new, report.stored.judgments_new, report.rejected) == (2, 4, 0)
    assert rows_of(other) == rows_of(rich)
    assert other.raters.get(name="ana").simulated
    home = import_file(project=rich, path=path, by=None)
    assert (home.stored.changed, home.stored.judgments_unchanged, home.rejected) == (False, 4, 0)


def test_a_backup_has_each_thing_by_its_name_and_leaves_out_what_goes_without_saying(rich):
    row = rows_of(rich)["q1"]
    *others, adjudication, _own = row.pop("judgments")
    assert row == {
        "id": "q1",
        "prompt": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "לָמָּה? 👩🏽‍🚀"}],
        "tags": ["x", "y"],
        "reference": "42",
        "metadata": {"n": [1, None, {"é": 0.1}]},
        "responses": [{"id": key, "source": f"m-{key}", "text": f"{key}\r\n"} for key in "abc"],
    }
    times = [each.pop("at") for each in (*others, adjudication)]
    assert all(time.endswith("Z") for time in times)
    assert adjudication == {
        "rater": "rob", "kind": "human", "ranking": {"a": 2, "b": 1, "c": 3}, "rationale": "Decided.",
        "adjudicates": True,
    }  # fmt: skip
    assert others == [
        {
            "rater": "ana", "kind": "human", "ranking": {"a": 2, "b": 1, "c": 2}, "strength": 2,
            "shown": ["c", "a", "b"], "scores": {"a": {"clarity": 1}, "b": {"clarity": 5}}, "rationale": "So.",
            "all_bad": True,
            "spans": [
                {"response": "b", "start": 0, "end": 1, "comment": "Só."},
                {"response": "c", "start": 1, "end": 3, "comment": "A line's end."},
            ],
            "flags": ["broken", "unsafe"], "seconds": 31.5, "simulated": True,
        },
        {"rater": "bot", "kind": "judge", "outcome": "refused"},
    ]  # fmt: skip


def test_a_backup_goes_on_after_a_page(project, make_comparisons, tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "_PAGE", 100)
    make_comparisons(project, 205, [JudgmentRecord("ana", ranking={"a": 1, "b": 2})])
    export(project=project, format="concord", path=tmp_path / "x.jsonl", by=None)
    found = [json.loads(line) for line in (tmp_path / "x.jsonl").open()]
    assert [row["id"] for row in found] == [f"q{number}" for number in range(205)]
    assert all(len(row["judgments"]) == 1 for row in found)


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [
        (0, "2026-05-01T10:00:00Z"),
        (500_000, "2026-05-01T10:00:00.500000Z"),
        (7, "2026-05-01T10:00:00.000007Z"),
    ],
)
def test_a_time_is_the_same_from_every_database(project, make_comparisons, microsecond, text):
    at = datetime(2026, 5, 1, 10, microsecond=microsecond, tzinfo=UTC)
    make_comparisons(project, 1, [JudgmentRecord("ana", ranking={"a": 1, "b": 2}, at=at)])
    (row,) = project_rows(project)
    assert row.judgments[0].at == text


def test_what_a_backup_can_not_hold_is_named(rich, tmp_path, new_id):
    Flag.objects.filter(kind="unsafe").update(settled_at="2026-05-01T10:00:00Z")
    rater, comparison = rich.raters.get(name="cy"), rich.comparisons.get(external_id="q1")
    submit_judgment(
        rater=rater, comparison=comparison, submission_id=new_id(), verdict=Verdict(ranking=(2, 1, 3))
    )
    Asking.objects.create(comparison=comparison, ground="drawn")
    left_out = " ".join(export(project=rich, format="concord", path=tmp_path / "x.jsonl", by=None).left_out)
    for part in (
        "1 judgments that later ones superseded",
        "1 flags that reviewers have settled",
        "the grounds on which people were asked about 1 comparisons",
        "the rubric",
    ):
        assert part in left_out


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_preference_rows_are_the_snapshots(snapshot, tmp_path, name):
    path = tmp_path / name
    summary = export(project=snapshot.project, format="preference", path=path, by=None, split="test")
    assert (summary.rows, summary.left_out) == (snapshot.test_rows, ())
    if name.endswith("jsonl"):
        assert [json.loads(line) for line in path.open()] == list(
            read_split(snapshot_folder(snapshot), "test")
        )
        assert sha256(path.read_bytes()).hexdigest() == snapshot.manifest["splits"]["test"]["sha256"]


@pytest.mark.parametrize(("format", "rows"), [("openai-preference", 1), ("trl-kto", 2), ("sft", 1)])
def test_trainers_formats_are_made_of_the_train_split_and_say_what_they_lose(
    snapshot, tmp_path, format, rows
):
    path = tmp_path / "rows.jsonl"
    summary = export(project=snapshot.project, format=format, path=path, by=None, snapshot=snapshot)
    assert summary.rows == len(path.read_text().splitlines()) == rows * snapshot.train_rows
    assert {"weight", "confidence", "tags", "judgments"} <= set(summary.left_out)
    entry = AuditEntry.objects.get(verb="export")
    assert (entry.target, entry.target_id, entry.detail["split"]) == ("snapshot", snapshot.pk, "train")


@pytest.mark.parametrize(
    ("format", "name", "split", "sentence"),
    [
        ("xml", "x.jsonl", "train", "'xml' is no format that can be written; use one of concord, preference"),
        ("preference", "x.txt", "train", "must end in one of"),
        ("openai-preference", "x.parquet", "train", "must end in one of"),
        ("preference", "none/x.jsonl", "train", "There is no folder"),
        ("preference", "x.jsonl", "all", "'all' is no split"),
        ("preference", "x.jsonl", "train", "has no snapshot yet"),
    ],
)
def test_what_can_not_be_exported_is_refused(project, tmp_path, format, name, split, sentence):
    with pytest.raises(Refused) as caught:
        export(project=project, format=format, path=tmp_path / name, by=None, split=split)
    assert sentence in caught.value.sentence
    assert not list(tmp_path.iterdir())


def test_a_changed_snapshot_is_not_exported(snapshot, tmp_path):
    (snapshot_folder(snapshot) / "manifest.json").write_text("{}")
    with pytest.raises(Refused, match="was changed"):
        export(project=snapshot.project, format="preference", path=tmp_path / "x.jsonl", by=None)


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl.zst"])
def test_rows_that_were_changed_leave_the_earlier_file(snapshot, tmp_path, name):
    folder = snapshot_folder(snapshot)
    (folder / "test.parquet").replace(folder / "train.parquet")
    (tmp_path / name).write_text("earlier")
    with pytest.raises(Refused, match="its train rows were changed"):
        export(project=snapshot.project, format="preference", path=tmp_path / name, by=None)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(name, "earlier")]


def test_a_disk_that_takes_no_more_is_one_sentence_and_keeps_the_earlier_file(snapshot, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("earlier")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(Refused, match="make room there and export again"):
            export(project=snapshot.project, format="preference", path=path, by=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]
    assert path.read_text() == "earlier"
    assert not AuditEntry.objects.filter(verb="export").exists()


def test_a_snapshot_is_found_by_the_beginning_of_its_hash(snapshot):
    assert snapshot_named(snapshot.project, snapshot.sha256[:8].upper()) == snapshot
    with pytest.raises(Refused, match="has no snapshot whose hash begins with 'zz'"):
        snapshot_named(snapshot.project, "zz")
    freeze_snapshot(project=snapshot.project, policy=snapshot.policy, by=None, seed=1)
    with pytest.raises(Refused, match="more than one snapshot"):
        snapshot_named(snapshot.project, "")


def test_the_command_says_what_it_wrote_and_what_not(snapshot, tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    options = ("--project", snapshot.project.name, "--format", "sft", "--output", str(path))
    call_command("export", *options, "--snapshot", snapshot.sha256[:10])
    out = capsys.readouterr().out
    assert f"Wrote {snapshot.train_rows} rows to {path}." in out
    assert "The file does not hold: margin, scores, weight, confidence, tags, judgments" in out
    with pytest.raises(CommandError, match="'xml' is no format"):
        call_command("export", "--project", snapshot.project.name, "--format", "xml", "--output", str(path))
