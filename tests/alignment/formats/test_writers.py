"""Training rows in each format that trainers take, and files that are whole or not there."""

import errno
import json
import resource
import subprocess
import sys
from collections import Counter

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.formats.preference import SCHEMA, answer, strict_pairs
from alignment.formats.registry import WRITERS
from alignment.formats.source import FormatError
from alignment.formats.target import check_target, write_rows

PROMPT = [{"role": "user", "content": "Why?"}]


def row(better, worse, comparison="q1"):
    return {
        "prompt": PROMPT,
        "chosen": answer(better),
        "rejected": answer(worse),
        "weight": 1.0,
        "confidence": 0.9,
        "margin": 0.5,
        "score_chosen": 0.75,
        "score_rejected": None,
        "reference": "42",
        "metadata": '{"topic": "why", "hints": 2}',
        "comparison": comparison,
        "prompt_sha256": comparison.rjust(64, "0"),
        "tags": [],
        "judgments": [],
    }


THREE = [row("best", "middle"), row("best", "worst"), row("middle", "worst")]


def written(name, rows):
    left_out = Counter()
    return list(WRITERS[name].convert(iter(rows), left_out)), left_out


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_strict_pairs_are_those_that_a_ranking_tells_apart(ranking):
    pairs = strict_pairs(ranking)
    assert all(ranking[better] < ranking[worse] for better, worse in pairs)
    ties = sum(ranking.count(rank) * (ranking.count(rank) - 1) // 2 for rank in set(ranking))
    assert len(pairs) == len(ranking) * (len(ranking) - 1) // 2 - ties


def test_openai_preference_has_the_documented_shape():
    rows, _ = written("openai-preference", [row("yes", "no")])
    assert rows == [
        {
            "input": {"messages": PROMPT, "tools": [], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
        }
    ]


def test_kto_has_each_answer_once_and_leaves_out_what_was_both_liked_and_not():
    rows, left_out = written("trl-kto", [*THREE, row("yes", "no", "q2")])
    assert [(each["completion"][0]["content"], each["label"]) for each in rows] == [
        ("best", True),
        ("worst", False),
        ("yes", True),
        ("no", False),
    ]
    assert left_out == {"answers that were neither best nor worst": 1}


def test_sft_has_the_best_answers_only():
    rows, left_out = written("sft", THREE)
    assert rows == [{"messages": [*PROMPT, {"role": "assistant", "content": "best"}]}]
    assert left_out == {"answers that were not the best": 2}


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if writer.source == "snapshot"])
def test_every_format_is_written_as_json_lines_and_where_it_may_as_parquet(tmp_path, name):
    writer = WRITERS[name]
    rows, _ = written(name, THREE)
    write_rows(tmp_path / "rows.jsonl", rows)
    assert [json.loads(line) for line in (tmp_path / "rows.jsonl").open()] == rows
    if writer.schema is not None:
        write_rows(tmp_path / "rows.parquet", rows, writer.schema)
        assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == rows


def test_compressed_files_of_the_same_rows_are_the_same(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_rows(tmp_path / name, THREE)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("earlier\n")

    def failing():
        yield row("yes", "no")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(path, failing())
    assert [each.name for each in tmp_path.iterdir()] == ["rows.jsonl"]
    assert path.read_text() == "earlier\n"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.jsonl.zst", "rows.parquet"])
def test_a_disk_that_takes_no_more_leaves_nothing_behind(tmp_path, name):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        rows = (row(f"{n:x}" * 50, f"{n * n:o}" * 50) for n in range(5000))
        with pytest.raises(OSError) as caught:
            write_rows(tmp_path / name, rows, SCHEMA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_a_target_that_can_not_be_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(FormatError, match="is a folder"):
        check_target(tmp_path, parquet=True)
    with pytest.raises(FormatError, match="There is no folder"):
        check_target(tmp_path / "none" / "x.jsonl", parquet=True)
    with pytest.raises(FormatError, match="must end in one of"):
        check_target(tmp_path / "x.json", parquet=True)
    check_target(tmp_path / "x.parquet", parquet=True)
    with pytest.raises(FormatError, match=r"must end in one of \.jsonl, \.jsonl\.gz, \.jsonl\.zst,"):
        check_target(tmp_path / "x.parquet", parquet=False)


LIGHT = """
import sys
from pathlib import Path
import alignment.policy.verdicts
from alignment.formats.preference import SCHEMA
from alignment.formats.target import write_rows
write_rows(Path(sys.argv[1]), [{"comparison": "q1", "tags": ["x"]}], SCHEMA)
print([name for name in ("pandas", "scipy") if name in sys.modules])
"""


def test_an_export_takes_in_neither_pandas_nor_scipy(tmp_path):
    command = [sys.executable, "-c", LIGHT, tmp_path / "rows.parquet"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
    assert pq.read_table(tmp_path / "rows.parquet").column("tags").to_pylist() == [["x"]]
