"""Every dataset format by its name: who reads it, who writes it, and which one a file is in."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from alignment.formats import (
    arena,
    argilla,
    concord,
    helpsteer,
    hh_rlhf,
    instruction,
    label_studio,
    llama_factory,
    open_assistant,
    openai_chat,
    openai_preference,
    openai_reinforcement,
    openrlhf,
    pairs,
    preference,
    prompt_completion,
    prompt_only,
    sft,
    tldr,
    trl_kto,
    trl_preference,
    ultrafeedback,
    verl,
)
from alignment.formats.mapping import Mapped
from alignment.formats.rows import Row, read_rows
from alignment.formats.source import FormatError, check_source
from feedback.records import ComparisonRecord, Rejection
from judges.core.rubric import RubricText

AUTO = "auto"
PAIRS = "pairs"
CONCORD = "concord"
PREFERENCE = "preference"  # a snapshot's rows as they are
FOLDER = "dataset-folder"  # a snapshot as it lies there, both splits with manifest and card
SAMPLE = 100  # rows that are looked at to recognise a format

Records = Iterator[ComparisonRecord | Rejection]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Reader:
    """How a file is read. ``rubric`` has the criteria of the scores that the format holds, if it holds any."""

    recognise: Callable[[Values], bool]
    read: Callable[[Path], Records]
    rubric: RubricText | None = None


def _same(row: Any) -> Any:
    return row


def _unchanged(rows: Iterable[Any], _: Counter[str]) -> Iterator[Any]:
    return iter(rows)


@dataclass(frozen=True)
class Writer:
    """How rows are written. ``source``: a snapshot's preference rows, or the whole project's comparisons.

    ``schema`` is None where only JSON lines will do. ``not_held`` names what the format has no place for. ``beside``
    gives the files, by name, that belong beside one of this name, as JSON values.
    """

    source: Literal["snapshot", "project"]
    convert: Callable[[Iterable[Any], Counter[str]], Iterator[Any]]
    schema: pa.Schema | None
    not_held: tuple[str, ...] = ()
    parquet_row: Callable[[Any], Any] = _same
    beside: Callable[[str], dict[str, dict[str, Any]]] = lambda _file: {}


READERS: dict[str, Reader] = {
    CONCORD: Reader(concord.recognise, concord.read),
    hh_rlhf.NAME: Reader(hh_rlhf.recognise, hh_rlhf.read),
    ultrafeedback.NAME: Reader(ultrafeedback.recognise, ultrafeedback.read, ultrafeedback.RUBRIC),
    helpsteer.TWO: Reader(helpsteer.recognise_two, helpsteer.read_two, helpsteer.RUBRIC),
    helpsteer.THREE: Reader(helpsteer.recognise_three, helpsteer.read_three),
    arena.NAME: Reader(arena.recognise, arena.read),
    open_assistant.NAME: Reader(open_assistant.recognise, open_assistant.read),
    tldr.NAME: Reader(tldr.recognise, tldr.read),
    argilla.NAME: Reader(argilla.recognise, argilla.read),
    label_studio.NAME: Reader(label_studio.recognise, label_studio.read),
    openai_preference.NAME: Reader(openai_preference.recognise, openai_preference.read),
    llama_factory.NAME: Reader(llama_factory.recognise, llama_factory.read),
    # The widest comes last: the first that recognises a row is taken.
    trl_preference.NAME: Reader(trl_preference.recognise, trl_preference.read),
}
# What no format but our preference rows has a place for.
_TRACE = ("confidence", "tags", "judgments")
_LINEAGE = ("weight", *_TRACE)
_BEST = ("margin", "scores", *_LINEAGE)  # of the best answer only
_PROMPTS = ("answers", *_BEST)
WRITERS: dict[str, Writer] = {
    CONCORD: Writer("project", _unchanged, concord.SCHEMA, parquet_row=concord.parquet_row),
    PREFERENCE: Writer("snapshot", _unchanged, preference.SCHEMA),
    "trl-kto": Writer("snapshot", trl_kto.convert, trl_kto.SCHEMA, _BEST),
    "prompt-only": Writer("snapshot", prompt_only.convert, None, _PROMPTS),
    "sft": Writer("snapshot", sft.convert, sft.SCHEMA, _BEST),
    "prompt-completion": Writer("snapshot", prompt_completion.convert, prompt_completion.SCHEMA, _BEST),
    "openai-chat": Writer("snapshot", openai_chat.convert, None, _BEST),
    openai_preference.NAME: Writer("snapshot", openai_preference.convert, None, _BEST),
    openai_reinforcement.NAME: Writer("snapshot", openai_reinforcement.convert, None, _PROMPTS),
    "instruction": Writer("snapshot", instruction.convert, instruction.SCHEMA, _BEST),
    llama_factory.NAME: Writer(
        "snapshot",
        llama_factory.convert,
        llama_factory.SCHEMA,
        _BEST,
        beside=lambda file: {llama_factory.INFO: llama_factory.dataset_info(file)},
    ),
    "openrlhf": Writer("snapshot", openrlhf.convert, openrlhf.SCHEMA, ("scores", *_LINEAGE)),
    verl.NAME: Writer("snapshot", verl.convert, verl.SCHEMA, _PROMPTS),
}
SNAPSHOT_FORMATS = tuple(name for name, writer in WRITERS.items() if writer.source == "snapshot")


def with_grader(grader: Mapping[str, Any]) -> Writer:
    """How rows for reinforcement are written beside this grader, OpenAI's JSON."""
    return replace(
        WRITERS[openai_reinforcement.NAME],
        convert=partial(openai_reinforcement.convert, grader=grader),
        beside=lambda file: {openai_reinforcement.grader_file(file): dict(grader)},
    )


def open_records(path: Path, name: str = AUTO, mapping: Mapped | None = None) -> tuple[str, Records]:
    """The format's name and the file's records. Raises FormatError for a file or a format that can not be
    used.

    A mapping means the format ``pairs``, which can not be read without one. The file is read through once before.
    """
    _check_format(name, mapping)
    check_source(path)
    return stream_records(path, name, mapping)


def stream_records(path: Path, name: str = AUTO, mapping: Mapped | None = None) -> tuple[str, Records]:
    """The same without reading the file through first: a damaged one fails where it is damaged."""
    _check_format(name, mapping)
    if mapping is not None:
        return PAIRS, pairs.read(path, mapping)
    name = detect(path) if name == AUTO else name
    return name, READERS[name].read(path)


def _check_format(name: str, mapping: Mapped | None) -> None:
    if name not in (AUTO, PAIRS, *READERS):
        known = ", ".join((AUTO, *READERS, PAIRS))
        raise FormatError(f"{name!r} is no format that can be read; use one of {known}.")
    if mapping is not None and name not in (AUTO, PAIRS):
        raise FormatError(f"A mapping describes the columns of {PAIRS}; the format {name} needs none.")
    if mapping is None and name == PAIRS:
        raise FormatError(f"The format {PAIRS} needs a mapping that says which column is what.")


def detect(path: Path) -> str:
    """The format of a file by the names in its first rows. Raises FormatError with the known formats."""
    recognised: set[str] = set()
    columns: list[str] | None = None
    problem = "it has no row"
    # Row by row: a hundred of the longest rows are more than memory should hold.
    for row in islice(read_rows(path), SAMPLE):
        if isinstance(row, Row):
            columns = columns or list(map(str, row.values))
            recognised |= {name for name, reader in READERS.items() if reader.recognise(row.values)}
        elif problem == "it has no row":
            problem = f"line {row.line}: {row.reason}"
    known = next((name for name in READERS if name in recognised), None)
    if known:
        return known
    what = f"its columns {', '.join(columns)[:200]} are those of no known format" if columns else problem
    raise FormatError(
        f"The format of {path} can not be told: {what}. "
        f"Name one of {', '.join(READERS)}, or describe the columns of pairs with a mapping."
    )
