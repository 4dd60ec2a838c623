"""Gold in files and in what is made of judgments: it comes back from a backup, and no label of it trains a model."""

import json

import pytest

from alignment.actions.exports import export
from alignment.actions.imports import import_file
from alignment.actions.snapshots import freeze_snapshot, snapshot_folder
from alignment.formats.dataset_folder import read_split
from alignment.queries import load_judgments
from feedback.actions.extras import repeat_of
from feedback.actions.gold import make_gold
from feedback.actions.projects import create_project
from feedback.records import JudgmentRecord


@pytest.mark.parametrize("name", ["backup.jsonl", "backup.parquet"])
def test_gold_comes_back_from_a_backup_and_home_as_nothing_new(name, project, make_comparisons, tmp_path):
    plain, gold, practice = make_comparisons(project, 3, [JudgmentRecord("ana", ranking={"a": 1, "b": 2})])
    make_gold(comparison=gold, use="gold", ranking=(2, 1), by=None)
    make_gold(comparison=practice, use="practice", ranking=(1, 1), explanation="Both do.", by=None)
    repeat_of(plain)
    path = tmp_path / name
    assert export(project=project, format="concord", path=path, by=None).rows == 3
    other = create_project(name="Restored", by=None)
    assert import_file(project=other, path=path, by=None).rejected == 0
    known = other.comparisons.order_by("external_id").values_list(
        "purpose", "gold_answer__ranking", "gold_answer__explanation"
    )
    assert list(known) == [("train", None, None), ("gold", (2, 1), ""), ("practice", (1, 1), "Both do.")]
    home = import_file(project=project, path=path, by=None)
    assert (home.stored.changed, home.rejected) == (False, 0)


def test_gold_is_read_from_our_own_json_lines(project, tmp_path):
    row = {
        "id": "g1",
        "prompt": [{"role": "user", "content": "Which?"}],
        "responses": [{"id": "x", "source": "m", "text": "1"}, {"id": "y", "source": "n", "text": "2"}],
        "gold": {"ranking": {"x": 2, "y": 1}, "use": "attention"},
    }
    misspelt = row | {"id": "g2", "gold": {"rank": {"x": 2, "y": 1}}}
    path = tmp_path / "gold.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(misspelt) + "\n")
    report = import_file(project=project, path=path, by=None)
    assert [(each.line, each.field) for each in report.examples] == [(2, "gold.rank")]
    comparison = project.comparisons.get()
    assert (comparison.purpose, comparison.gold_answer.ranking) == ("attention", (2, 1))


def test_what_became_gold_after_its_label_is_in_no_new_snapshot(policy, label):
    label(policy)
    project = policy.project
    used = policy.labels.filter(decision="used").select_related("comparison").first().comparison
    make_gold(comparison=used, use="gold", ranking=(1, 2), by=None)
    folder = snapshot_folder(freeze_snapshot(project=project, policy=policy, by=None))
    frozen = {row["comparison"] for split in ("train", "test") for row in read_split(folder, split)}
    assert frozen
    assert used.external_id not in frozen
    assert used.pk not in load_judgments(project).comparison_ids
    label(policy)
    assert not policy.labels.filter(comparison=used).exists()
