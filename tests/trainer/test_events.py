from __future__ import annotations

import errno
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.events import EventWriter, read_events


def write_metrics(path: Path, steps: range) -> None:
    with EventWriter(path) as writer:
        for step in steps:
            writer.write("metric", step=step, total_steps=9, epoch=0.5, values={"loss": 1 / step})


def test_events_come_back_with_number_time_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_metrics(path, range(1, 3))

    events, offset = read_events(path)

    assert [(event["seq"], event["kind"], event["step"]) for event in events] == [
        (1, "metric", 1),
        (2, "metric", 2),
    ]
    assert datetime.fromisoformat(events[0]["at"]).utcoffset() is not None
    assert offset == path.stat().st_size


def test_numbers_go_on_after_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_metrics(path, range(1, 3))
    write_metrics(path, range(3, 5))

    assert [event["seq"] for event in read_events(path)[0]] == [1, 2, 3, 4]


def test_a_file_that_is_not_there_yet_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "events.jsonl", 0) == ([], 0)


@given(cut=st.integers(0, 600))
def test_reading_while_it_is_written_gives_every_event_once(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    write_metrics(path, range(1, 5))
    whole = path.read_bytes()

    path.write_bytes(whole[:cut])
    first, offset = read_events(path, 0)
    path.write_bytes(whole)
    rest, end = read_events(path, offset)

    assert [event["seq"] for event in first + rest] == [1, 2, 3, 4]
    assert end == len(whole)


def test_half_a_line_of_a_killed_runner_is_removed_before_writing_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_metrics(path, range(1, 3))
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "kin')

    write_metrics(path, range(3, 4))

    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_a_damaged_line_is_left_out_and_leaves_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_metrics(path, range(1, 4))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00\x00\n" + b"[]\n" + lines[2])

    assert [event["seq"] for event in read_events(path)[0]] == [1, 3]


def test_numbers_that_json_cannot_hold_become_null(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write("evaluation", step=1, values={"loss": float("nan"), "margins": [float("inf"), 1.0]})

    assert read_events(path)[0][0]["values"] == {"loss": None, "margins": [None, 1.0]}


@pytest.mark.parametrize("values", [{}, {"message": "a", "extra": 1}])
def test_an_event_has_exactly_the_fields_of_its_kind(tmp_path: Path, values: dict[str, Any]) -> None:
    with EventWriter(tmp_path / "events.jsonl") as writer, pytest.raises(ValueError, match="has the fields"):
        writer.write("warning", **values)


def test_only_the_first_rank_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with EventWriter(tmp_path / "events.jsonl") as writer:
        writer.write("warning", message="from rank 1")

    assert not (tmp_path / "events.jsonl").exists()


def test_a_line_that_does_not_fit_on_the_disk_leaves_no_half(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "events.jsonl"
    write_metrics(path, range(1, 3))
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        with EventWriter(path) as writer, pytest.raises(OSError) as error:
            writer.write("warning", message="x" * 50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert error.value.errno == errno.ENOSPC
    assert path.stat().st_size == size
