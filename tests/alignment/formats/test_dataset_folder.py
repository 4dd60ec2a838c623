"""A frozen dataset's folder and its card."""

import json
import math
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignment.formats.arrow import table_of
from alignment.formats.dataset_card import card
from alignment.formats.dataset_folder import (
    SplitTally,
    addressed,
    canonical_line,
    canonical_lines,
    problem_with,
    read_split,
    write_splits,
    write_text,
)
from alignment.formats.preference import SCHEMA, answer
from alignment.formats.registry import SNAPSHOT_FORMATS, WRITERS
from feedback.hashing import canonical_json


def row(number):
    return {
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
        "chosen": answer("yes"),
        "rejected": answer("no"),
        "weight": 1.0,
        "confidence": None if number % 2 else 0.5,
        "margin": 0.0,
        "score_chosen": 0.75,
        "score_rejected": None,
        "reference": None,
        "metadata": None,
        "comparison": f"q{number}",
        "prompt_sha256": f"{number // 2:064x}",
        "tags": ["even"] if number % 2 == 0 else [],
        "judgments": [{"submission": str(number), "rater": "ana", "kind": "human"}],
    }


def frozen(folder, count=2500, **fields):
    tallies = write_splits(
        folder, (("test" if number < 10 else "train", row(number)) for number in range(count))
    )
    manifest = addressed(
        {
            "policy": {"name": "p|q", "version": 2, "sha256": "1" * 64},
            "report": None,
            "split": {"test_share": 0.2, "seed": 3},
            "splits": {name: tally.as_json() for name, tally in tallies.items()},
            "left_out": {"routed labels": 0},
            "raters": [{"name": "a|b", "kind": "human", "simulated": False, "judgments": 7}],
            "agreement": None,
            "certificates": [],
            **fields,
        }
    )
    write_text(folder / "manifest.json", json.dumps(manifest))
    return manifest, tallies


def test_rows_of_more_than_one_row_group_are_counted_hashed_and_come_back(tmp_path):
    manifest, tallies = frozen(tmp_path)
    train = tallies["train"]
    assert (train.rows, train.comparisons, train.prompts) == (2490, 2490, 1245)
    assert (train.tags, train.raters) == ({"even": 1245}, {("human", "ana"): 2490})
    assert list(read_split(tmp_path, "train")) == [row(number) for number in range(10, 2500)]
    assert problem_with(tmp_path, manifest) is None


@pytest.mark.parametrize(
    "number", [None, 0.0, -0.0, 1, 0.1, 1e-4, 9.99e-5, 1e-5, -1e-7, 9e15, 1e16, 1e300, 5e-324]
)
def test_the_line_of_a_row_is_its_canonical_json_whatever_the_numbers(number):
    odd = {**row(1), "margin": number, "score_chosen": number, "reference": '\x00\x1f\x7f\u2028"\\ é 👩🏽‍🚀'}
    assert canonical_line(odd) == canonical_json(odd).encode() + b"\n"
    batch = table_of([odd, row(2)], SCHEMA).to_batches()[0]
    lines = [canonical_json(each).encode() + b"\n" for each in batch.to_pylist()]
    assert canonical_lines(batch) == b"".join(lines)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_none_is_in_no_dataset(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_line({**row(1), "margin": number})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_lines(table_of([{**row(1), "margin": number}], SCHEMA).to_batches()[0])


def test_a_dataset_frozen_before_margins_and_scores_were_kept_still_holds(tmp_path):
    old = (
        "prompt",
        "chosen",
        "rejected",
        "weight",
        "confidence",
        "comparison",
        "prompt_sha256",
        "tags",
        "judgments",
    )
    splits = {}
    for name in ("train", "test"):
        rows = [{column: row(number)[column] for column in old} for number in range(3)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
        tally = SplitTally()
        for each in rows:
            tally.add(each)
        splits[name] = tally.as_json()
    manifest = {"version": "concord-snapshot-1", "splits": splits}
    write_text(tmp_path / "manifest.json", json.dumps(manifest))
    assert problem_with(tmp_path, manifest) is None
    for name in SNAPSHOT_FORMATS:
        made = list(WRITERS[name].convert(read_split(tmp_path, "train"), Counter()))
        assert bool(made) == (name != "openai-reinforcement")  # whose grader wants references


def test_the_address_changes_with_anything_in_the_manifest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, _ = frozen(tmp_path / "a", 20)
    other, _ = frozen(tmp_path / "b", 20, split={"test_share": 0.2, "seed": 4})
    assert one["sha256"] != other["sha256"]
    assert one["splits"] == other["splits"]


@pytest.mark.parametrize(
    ("agreement", "words"),
    [
        (None, "No agreement report was made."),
        ({"value": None, "reason": "no variation"}, "undefined: no variation."),
        ({"value": 0.8, "low": None, "high": None, "n": 3}, "between people is 0.800, n = 3."),
        ({"value": 0.8, "low": 0.7, "high": 0.9, "n": 3}, "0.800 (95 % interval 0.700 to 0.900), n = 3."),
    ],
)
def test_the_card_gives_agreement_with_its_interval_and_n(tmp_path, agreement, words):
    manifest, _ = frozen(tmp_path, 20, agreement=agreement)
    assert words in card(manifest)


def test_the_card_names_raters_judges_and_what_was_left_out(tmp_path):
    certificate = {"judge": "bot", "slice": "all", "trusted": True, "sentence": "As good\nas people."}
    manifest, _ = frozen(tmp_path, 20, certificates=[certificate], left_out={"routed labels": 4})
    text = card(manifest)
    assert "| a\\|b | human | 7 |" in text
    assert "| bot | all | yes | As good as people. |" in text
    assert "Left out: 4 routed labels." in text
    assert text.startswith("---\nconfigs:")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "train.parquet").unlink(), "it can not be read"),
        (lambda folder: (folder / "train.parquet").write_bytes(b"PAR1"), "it can not be read"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "its manifest.json was changed"),
        (
            lambda folder: (folder / "test.parquet").replace(folder / "train.parquet"),
            "its train rows were changed",
        ),
        (lambda folder: folder.rename(folder.with_name("away")), "its folder is gone"),
    ],
)
def test_a_changed_folder_is_told(tmp_path, damage, problem):
    folder = tmp_path / "dataset"
    folder.mkdir()
    manifest, _ = frozen(folder, 20)
    damage(folder)
    assert problem in problem_with(folder, manifest)


def test_a_failure_while_rows_come_ends_the_writing(tmp_path):
    def failing():
        yield "train", row(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_splits(tmp_path, failing())


def test_rankings_of_several_count_their_comparison_once(tmp_path):
    tallies = write_splits(tmp_path, [("train", row(1)), ("train", row(1)), ("train", row(2))])
    assert (tallies["train"].rows, tallies["train"].comparisons) == (3, 2)


def test_the_card_says_what_the_tags_say_of_licence_and_consent(tmp_path):
    manifest, _ = frozen(tmp_path, 20, tags={"license:cc-by-4.0": 12, "math": 3})
    assert "- license:cc-by-4.0: 12 comparisons" in card(manifest)
    assert "No tag names a licence" in card({**manifest, "tags": {"math": 3}})
