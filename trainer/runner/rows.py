"""The rows of a run: read, checked, cut to what fits, and counted, since TRL drops long rows silently."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq
from datasets import Dataset
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.spec import digest_dataset

Messages = list[dict[str, str]]
Counts = dict[str, int]
_BATCH = 1000
# What a preference row says of its responses; a prompt is the same whatever they are.
_LABEL_COLUMNS = (
    "chosen",
    "rejected",
    "completion",
    "label",
    "margin",
    "weight",
    "confidence",
    "score_chosen",
    "score_rejected",
    "comparison",
    "judgments",
)


@dataclass(frozen=True)
class TrainingRows:
    """Rows that are used. `counts`: given, used, too_long and identical for each split."""

    train: Dataset
    test: Dataset | None
    counts: dict[str, Counts]
    columns: dict[str, list[str]]


def load_training_rows(
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    layouts: Sequence[tuple[str, ...]],
    optional: tuple[str, ...] = (),
    gaps: tuple[str, ...] = (),
) -> TrainingRows:
    """Read train.parquet and test.parquet (or one file as training rows).

    `layouts`: the sets of message columns that will do, of which the first that is there is taken.
    `optional`: numeric or truth columns to keep where every row has a value. `gaps`: numeric columns that must be
    there and may be null. Raises RunnerError for a missing column or no row left.
    """
    tables = {name: _read(path) for name, path in _splits(run).items()}
    columns = _pick_columns(tables["train"], layouts)
    numbers = [name for name in optional if all(_is_complete(table, name) for table in tables.values())]
    for split, table in tables.items():
        _check_numbers(table, gaps, split)
    numbers += gaps
    splits, counts = {}, {}
    for name, table in tables.items():
        _check_messages(table, columns, name)
        splits[name], counts[name] = _keep_usable(run, tokenizer, table.select([*columns, *numbers]), columns)
    if counts["train"]["used"] == 0:
        raise RunnerError(
            f"No training row is left ({_describe(counts['train'])}): raise max_length or add rows."
        )
    used = [*columns, *numbers]
    return TrainingRows(
        train=splits["train"],
        test=splits["test"] if counts.get("test", {}).get("used") else None,
        counts=counts,
        columns={"used": used, "ignored": [n for n in tables["train"].column_names if n not in used]},
    )


def load_prompts(run: Run, tokenizer: PreTrainedTokenizerBase) -> TrainingRows:
    """Each prompt once with what graders read beside it, of rows with prompts or of preference rows.

    Left out are prompts that leave no room for a response, and the columns that say which response was better.
    """
    tables = {name: _read(path) for name, path in _splits(run).items()}
    room = run.spec.parameters["max_length"] - run.spec.parameters["max_new_tokens"]
    splits, counts = {}, {}
    for name, table in tables.items():
        _pick_columns(table, [("prompt",)])
        _check_messages(table, ("prompt",), name)
        kept = table.select([column for column in table.column_names if column not in _LABEL_COLUMNS])
        splits[name], counts[name] = _distinct_fitting(run, tokenizer, kept, room)
    if counts["train"]["used"] == 0:
        raise RunnerError(
            f"No prompt is left that has room for {run.spec.parameters['max_new_tokens']} tokens of response: "
            "raise max_length, lower max_new_tokens or add prompts."
        )
    used = splits["train"].column_names
    return TrainingRows(
        train=splits["train"],
        test=splits["test"] if counts.get("test", {}).get("used") else None,
        counts=counts,
        columns={"used": used, "ignored": [n for n in tables["train"].column_names if n not in used]},
    )


def _distinct_fitting(
    run: Run, tokenizer: PreTrainedTokenizerBase, table: pa.Table, room: int
) -> tuple[Dataset, Counts]:
    seen: set[str] = set()
    reasons: list[str] = []
    for rows in batches(table):
        run.check_stop()
        lengths = count_tokens(tokenizer, [row["prompt"] for row in rows], add_generation_prompt=True)
        for row, length in zip(rows, lengths, strict=True):
            key = json.dumps(row, sort_keys=True, default=str)
            reasons.append("repeated" if key in seen else "too_long" if length > room else "used")
            seen.add(key)
    kept = [index for index, reason in enumerate(reasons) if reason == "used"]
    counts = {"given": len(reasons), **{n: reasons.count(n) for n in ("used", "too_long", "repeated")}}
    return Dataset(table.take(pa.array(kept, pa.int64()))), counts


def load_table(run: Run, columns: tuple[str, ...], texts: tuple[str, ...] = ()) -> pa.Table:
    """The rows to answer or to score: message columns and text columns; the training split of a folder."""
    table = _read(_splits(run)["train"])
    _pick_columns(table, [(*columns, *texts)])
    _check_messages(table, columns, "dataset")
    for name in texts:
        if not (_is_string(table.schema.field(name).type) and table[name].null_count == 0):
            raise RunnerError(f"The column {name!r} of the dataset must hold a text in every row.")
    if table.num_rows == 0:
        raise RunnerError("The dataset has no rows: add some.")
    return table.select([*columns, *texts])


def count_tokens(
    tokenizer: PreTrainedTokenizerBase, conversations: list[Messages], *, add_generation_prompt: bool = False
) -> list[int]:
    """Tokens of each conversation in the model's chat template."""
    return [
        len(ids)
        for ids in tokenize(tokenizer, conversations, add_generation_prompt=add_generation_prompt)[
            "input_ids"
        ]
    ]


def tokenize(
    tokenizer: PreTrainedTokenizerBase, conversations: list[Messages], **options: Any
) -> dict[str, Any]:
    """The conversations in the chat template, tokenized; raises RunnerError when it refuses one."""
    try:
        encoded: dict[str, Any] = tokenizer.apply_chat_template(
            conversations, tokenize=True, return_dict=True, **options
        )
    except TemplateError as error:
        raise RunnerError(f"The model's chat template refuses a row: {error}") from error
    return encoded


def batches(table: pa.Table | Dataset, size: int = _BATCH) -> Iterator[list[dict[str, Any]]]:
    """The rows as plain values, `size` at a time."""
    for start in range(0, len(table), size):
        chunk = table.slice(start, size) if isinstance(table, pa.Table) else table.data.slice(start, size)
        yield chunk.to_pylist()


def _splits(run: Run) -> dict[str, Path]:
    path = run.folder / Path(run.spec.dataset).expanduser()
    files = {"train": path} if path.is_file() else {n: path / f"{n}.parquet" for n in ("train", "test")}
    if not files["train"].is_file():
        raise RunnerError(
            f"The dataset {files['train']} does not exist: give a folder with train.parquet, or a file."
        )
    wanted = run.spec.dataset_sha256
    if wanted and digest_dataset(path) != wanted:
        raise RunnerError(
            f"The dataset {path} has changed since the run was set up: freeze it again and start anew."
        )
    return {name: file for name, file in files.items() if file.is_file()}


def _read(path: Path) -> pa.Table:
    try:
        table = pa.json.read_json(path) if path.suffix == ".jsonl" else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        kind = "JSON lines" if path.suffix == ".jsonl" else "Parquet"
        reason = str(error).splitlines()[0]
        raise RunnerError(
            f"The dataset {path} is no {kind} file that can be read ({reason}): export it again."
        ) from error
    # Features that a library noted in the file would no longer fit the columns picked from it.
    return table.replace_schema_metadata(None)


def _pick_columns(table: pa.Table, layouts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    for layout in layouts:
        if set(layout) <= set(table.column_names):
            return layout
    wanted = " or ".join(", ".join(layout) for layout in layouts)
    raise RunnerError(
        f"The dataset has the columns {', '.join(table.column_names)}, but {wanted} are needed: "
        "export it in the format of this method."
    )


def _check_messages(table: pa.Table, columns: Sequence[str], split: str) -> None:
    for name in columns:
        if name not in table.column_names:
            raise RunnerError(
                f"The {split} rows have no column {name!r}, which the others have: export them again."
            )
        if not _is_messages(table.schema.field(name).type):
            raise RunnerError(
                f"The column {name!r} of the {split} rows must hold lists of messages with role and content, "
                f"not {table.schema.field(name).type}: export it in the format of this method."
            )
        if not _is_filled(table[name]):
            raise RunnerError(
                f"The column {name!r} of the {split} rows has rows without a message: drop those rows."
            )


def _is_messages(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(
        kind.value_type
    ):
        return False
    texts = {field.name for field in kind.value_type if _is_string(field.type)}
    return {"role", "content"} <= texts


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_filled(column: pa.ChunkedArray) -> bool:
    """Whether every row has at least one message, each with a role and a content."""
    if column.null_count or not pc.all(pc.greater(pc.list_value_length(column), 0), min_count=0).as_py():
        return False
    messages = pc.list_flatten(column)
    return not any(pc.struct_field(messages, [name]).null_count for name in ("role", "content"))


def _is_complete(table: pa.Table, name: str) -> bool:
    if name not in table.column_names or table[name].null_count:
        return False
    kind = table.schema.field(name).type
    return bool(pa.types.is_boolean(kind) or _is_number(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _check_numbers(table: pa.Table, names: tuple[str, ...], split: str) -> None:
    for name in names:
        if name not in table.column_names or not _is_number(table.schema.field(name).type):
            raise RunnerError(
                f"The {split} rows have no column {name!r} of numbers, which objectives names: add it, with null "
                "where nobody knows."
            )


def _keep_usable(
    run: Run, tokenizer: PreTrainedTokenizerBase, table: pa.Table, columns: tuple[str, ...]
) -> tuple[Dataset, Counts]:
    """Leave out rows longer than max_length, and pairs whose two responses are equal and so teach nothing."""
    limit = run.spec.parameters["max_length"]
    reasons: list[str] = []
    for rows in batches(table):
        run.check_stop()
        longest = _longest(tokenizer, rows, columns)
        reasons += [_reason(row, tokens, limit) for row, tokens in zip(rows, longest, strict=True)]
    kept = [index for index, reason in enumerate(reasons) if reason == "used"]
    counts = {
        "given": len(reasons),
        **{name: reasons.count(name) for name in ("used", "too_long", "identical")},
    }
    return Dataset(table.take(pa.array(kept, pa.int64()))), counts


def _reason(row: dict[str, Any], tokens: int, limit: int) -> str:
    if "chosen" in row and row["chosen"] == row["rejected"]:
        return "identical"
    return "too_long" if tokens > limit else "used"


def _longest(
    tokenizer: PreTrainedTokenizerBase, rows: list[dict[str, Any]], columns: tuple[str, ...]
) -> list[int]:
    """Tokens of the longest whole conversation of each row: the prompt with each of its continuations."""
    endings = [name for name in columns if name != "prompt"]
    lengths = [
        count_tokens(tokenizer, [[*(row.get("prompt") or []), *row[ending]] for row in rows])
        for ending in endings
    ]
    return [max(each) for each in zip(*lengths, strict=True)]


def _describe(counts: Counts) -> str:
    given, too_long, identical = (counts[name] for name in ("given", "too_long", "identical"))
    return f"{given} given, {too_long} too long, {identical} with two equal responses"
