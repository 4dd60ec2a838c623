"""What generating and scoring share: which rows fit, and an output that grows and resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.loading import has_gpu
from trainer.runner.rows import Counts, Messages, batches, count_tokens

Conversation = Callable[[dict[str, Any]], Messages]
"""Makes the conversation of a row."""

Answer = Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]]
"""Takes the index of a batch's first row and its rows; gives the lines to write, as many for each row."""


def device() -> torch.device:
    return torch.device("cuda" if has_gpu() else "cpu")


def place(model: PreTrainedModel) -> PreTrainedModel:
    """The model ready to be asked: on the device, without dropout."""
    return model.to(device()).eval()


def which_fit(
    run: Run, tokenizer: PreTrainedTokenizerBase, table: pa.Table, conversation: Conversation, **options: Any
) -> list[bool]:
    """Whether each row, as the conversation it makes, is within max_length tokens."""
    limit = run.spec.parameters["max_length"]
    fits: list[bool] = []
    for rows in batches(table):
        run.check_stop()
        lengths = count_tokens(tokenizer, [conversation(row) for row in rows], **options)
        fits += [length <= limit for length in lengths]
    return fits


def count_fitting(fits: list[bool]) -> Counts:
    return {"given": len(fits), "used": sum(fits), "too_long": len(fits) - sum(fits)}


def write_in_batches(run: Run, table: pa.Table, output: str, lines_per_row: int, answer: Answer) -> str:
    """Answer the table batch by batch into a JSON-lines file, whole at the end; returns its name.

    A stopped run goes on after the last whole batch; `answer` must depend on nothing but its arguments.
    """
    size = run.spec.parameters["batch_size"]
    total = -(-table.num_rows // size)
    part = run.folder / f"{output}.part"
    done = _keep_whole_batches(part, lines_per_row, size)
    with part.open("a") as file:
        for batch, start, rows in _remaining(table, size, done):
            run.stop.check(batch, str(part) if batch else None)
            lines = answer(start, rows)
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            file.flush()
            _report(run, batch + 1, total, rows=start + len(rows))
    part.replace(run.folder / output)
    return output


def _remaining(table: pa.Table, size: int, done: int) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    rest = table.slice(done * size)
    for batch, rows in enumerate(batches(rest, size), start=done):
        yield batch, batch * size, rows


def _keep_whole_batches(part: Path, lines_per_row: int, size: int) -> int:
    """Cut the file after the last whole batch; returns how many there are."""
    if not part.is_file():
        return 0
    lines = part.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    done = len(whole) // (lines_per_row * size)
    kept = sum(len(line) for line in whole[: done * lines_per_row * size])
    with part.open("r+b") as file:
        file.truncate(kept)
    return done


def _report(run: Run, step: int, total: int, rows: int) -> None:
    run.events.write("metric", step=step, total_steps=total, epoch=None, values={"rows": rows})
