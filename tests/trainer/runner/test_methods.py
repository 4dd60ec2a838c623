"""What each method makes of its rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NewRun = Callable[..., Any]


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def read_result(run: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((run.folder / "result.json").read_text())
    return result


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="session")
def reward_model(tiny_model: Path, preferences: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model trained to its end."""
    from trainer.runner.__main__ import main
    from trainer.spec import RunSpec

    folder = tmp_path_factory.mktemp("reward")
    parameters = {"max_steps": 40, "learning_rate": 2e-3, "max_length": 128}
    spec = RunSpec("reward", str(tiny_model), str(preferences), parameters=parameters)
    (folder / "spec.json").write_text(spec.to_json())
    assert main([str(folder / "spec.json")]) == 0
    return folder


def test_rows_given_and_used_are_both_reported(new_run: NewRun, tiny_model: Path, preferences: Path) -> None:
    run = new_run("dpo", tiny_model, preferences, max_steps=1, max_length=128)

    assert run.here() == 0

    started = run.events("started")[0]
    assert started["rows"] == {
        "train": {"given": 42, "used": 40, "too_long": 1, "identical": 1},
        "test": {"given": 8, "used": 8, "too_long": 0, "identical": 0},
    }
    assert started["columns"] == {"used": ["prompt", "chosen", "rejected"], "ignored": ["weight"]}
    assert started["versions"]["trl"]


def test_a_reward_model_learns_and_its_accuracy_has_an_interval(reward_model: Path) -> None:
    accuracy = json.loads((reward_model / "result.json").read_text())["accuracy"]

    assert (accuracy["value"], accuracy["n"]) == (1.0, 8)
    assert accuracy["low"] == pytest.approx(0.025 ** (1 / 4))  # exact, over the 4 prompts behind the 8 rows
    assert accuracy["high"] == 1.0


def test_a_trained_reward_model_scores_good_responses_higher(
    new_run: NewRun, reward_model: Path, tmp_path: Path
) -> None:
    texts = ["Sorry about that. We will replace it today.", "That is not my concern.", "word " * 300]
    rows = [{"prompt": turn("user", "My lamp is late."), "response": text} for text in texts]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    runs = [
        new_run("score", reward_model / "final", tmp_path / "rows.parquet", batch_size=size, max_length=128)
        for size in (1, 3)
    ]

    assert [run.here() for run in runs] == [0, 0]

    one_by_one, together = (
        [line["score"] for line in read_lines(run.folder / "scores.jsonl")] for run in runs
    )
    assert one_by_one[0] > one_by_one[1]
    assert one_by_one[2] is None
    assert together[:2] == pytest.approx(one_by_one[:2], abs=1e-4)
    assert read_result(runs[0])["rows"] == {"dataset": {"given": 3, "used": 2, "too_long": 1}}


def test_a_lora_reward_model_keeps_its_trained_head(
    new_run: NewRun, tiny_model: Path, preferences: Path, tmp_path: Path
) -> None:
    run = new_run(
        "reward", tiny_model, preferences, max_steps=40, learning_rate=1e-2, max_length=128, lora_r=4
    )
    assert run.here() == 0
    accuracy = read_result(run)["accuracy"]["value"]
    test = pq.read_table(preferences / "test.parquet").to_pylist()
    rows = [
        {"prompt": row["prompt"], "response": row[side][0]["content"]}
        for row in test
        for side in ("chosen", "rejected")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")

    scoring = new_run("score", run.folder / "final", tmp_path / "rows.parquet")
    assert scoring.here() == 0

    scores = [line["score"] for line in read_lines(scoring.folder / "scores.jsonl")]
    better = [chosen > rejected for chosen, rejected in zip(scores[::2], scores[1::2], strict=True)]
    assert sum(better) / len(better) == accuracy


def test_a_margin_is_used_where_it_is_asked_for_and_every_row_has_one(
    new_run: NewRun, tiny_model: Path, preferences: Path, tmp_path: Path
) -> None:
    rows = pq.read_table(preferences / "train.parquet").to_pylist()
    full: list[float | None] = [5.0] * len(rows)
    for name, margins in {"whole": full, "gap": [*full[1:], None]}.items():
        with_margin = [row | {"margin": margin} for row, margin in zip(rows, margins, strict=True)]
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(with_margin), tmp_path / name / "train.parquet")
    short = {"max_steps": 1, "logging_steps": 1, "max_length": 128}
    asked = new_run("reward", tiny_model, tmp_path / "whole", use_margins=True, **short)
    not_asked = new_run("reward", tiny_model, tmp_path / "whole", **short)
    with_a_gap = new_run("reward", tiny_model, tmp_path / "gap", use_margins=True, **short)

    assert [run.here() for run in (asked, not_asked, with_a_gap)] == [0, 0, 1]

    used = [run.events("started")[0]["columns"]["used"] for run in (asked, not_asked)]
    assert used == [["prompt", "chosen", "rejected", "margin"], ["prompt", "chosen", "rejected"]]
    assert asked.losses()[1] > not_asked.losses()[1] + 3
    assert "use_margins" in with_a_gap.events("failed")[0]["message"]


def test_sft_takes_whole_conversations_and_json_lines_too(
    new_run: NewRun, tiny_model: Path, tmp_path: Path
) -> None:
    row = {"messages": turn("user", "My lamp is late.") + turn("assistant", "Sorry.")}
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 4)
    run = new_run("sft", tiny_model, tmp_path / "rows.jsonl", epochs=2, batch_size=8)

    assert run.here() == 0

    assert read_result(run)["steps"] == 2
    assert read_result(run)["evaluation"] is None
    assert (
        run.events("warning")[0]["message"]
        == "Only 4 rows for a batch_size of 8: each step sees all of them."
    )


def test_sft_takes_the_best_responses_of_pairs_once_each(
    new_run: NewRun, tiny_model: Path, tmp_path: Path
) -> None:
    prompt = turn("user", "My lamp is late.")
    order = [("Sorry.", "No."), ("Sorry.", "Wait."), ("Wait.", "No.")]  # of a comparison of three
    pairs = [
        {"prompt": prompt, "chosen": turn("assistant", chosen), "rejected": turn("assistant", rejected)}
        for chosen, rejected in order
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    run = new_run("sft", tiny_model, tmp_path / "rows.jsonl", max_steps=1)

    assert run.here() == 0

    assert run.events("started")[0]["rows"]["train"] == {
        "given": 3,
        "used": 1,
        "too_long": 0,
        "identical": 0,
        "not_best": 2,
    }


def test_evaluations_in_between_come_at_their_steps(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    run = new_run("dpo", tiny_model, preferences, max_steps=4, eval_steps=2, max_length=128)

    assert run.here() == 0

    assert [event["step"] for event in run.events("evaluation")] == [2, 4]
    assert read_result(run)["evaluation"] == run.events("evaluation")[-1]["values"]


def generate(
    new_run: NewRun, model: Path, dataset: Path, **parameters: Any
) -> tuple[Any, list[dict[str, Any]]]:
    run = new_run("generate", model, dataset, **({"max_new_tokens": 8, "max_length": 128} | parameters))
    assert run.here() == 0
    return run, read_lines(run.folder / "responses.jsonl")


def test_every_prompt_gets_its_samples_and_a_prompt_too_long_gets_none(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    run, lines = generate(new_run, tiny_model, preferences, samples=2)

    assert [(line["prompt_index"], line["sample"]) for line in lines] == [
        (i, s) for i in range(42) for s in range(2)
    ]
    assert [line["prompt_index"] for line in lines if line["text"] is None] == [40, 40]
    assert len({line["text"] for line in lines}) > 40
    assert read_result(run)["rows"] == {"dataset": {"given": 42, "used": 41, "too_long": 1}}


def test_greedy_responses_do_not_depend_on_the_batch(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    texts = [
        [
            line["text"]
            for line in generate(new_run, tiny_model, preferences, temperature=0, batch_size=size)[1]
        ]
        for size in (1, 7)
    ]

    assert texts[0] == texts[1]


def test_a_stopped_generation_goes_on_to_the_same_texts(
    new_run: NewRun, tiny_model: Path, preferences: Path
) -> None:
    settings = {"samples": 2, "batch_size": 10}
    _, whole = generate(new_run, tiny_model, preferences, **settings)
    run, lines = generate(new_run, tiny_model, preferences, **settings)
    assert lines == whole
    (run.folder / "result.json").unlink()
    text = (run.folder / "responses.jsonl").read_bytes()
    (run.folder / "responses.jsonl").unlink()
    (run.folder / "responses.jsonl.part").write_bytes(text[: len(text) // 2])

    assert run.here() == 0

    assert read_lines(run.folder / "responses.jsonl") == whole
    assert len(run.events("metric")) == 5 + 5 - 2


def test_an_adapter_folder_answers_like_the_model_it_was_merged_into(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    trained = new_run("sft", tiny_model, conversations, max_steps=20, learning_rate=2e-2, lora_r=4)
    assert trained.here() == 0

    adapter, merged, base = (
        [line["text"] for line in generate(new_run, model, conversations, temperature=0)[1]]
        for model in (trained.folder / "checkpoint-20", trained.folder / "final", tiny_model)
    )

    assert adapter == merged
    assert adapter != base
