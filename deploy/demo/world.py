"""The demo's own training data and texts on disk: what the help desk had before anybody labelled anything."""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deploy.demo.helpdesk import Ticket
from feedback.errors import Refused
from feedback.records import ComparisonRecord, ResponseRecord
from trainer.spec import RunSpec

REPLY_TOKENS = 48
MAX_LENGTH = 128

_BUILD = (
    "import sys; from pathlib import Path; from deploy.demo.tiny_model import build_tiny_model; "
    "build_tiny_model(Path(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines(), "
    "hidden=int(sys.argv[3]), seed=int(sys.argv[4]))"
)


def write_demonstrations(folder: Path, demonstrations: Sequence[tuple[Ticket, str]]) -> None:
    """``train.parquet`` with a row {prompt, completion} for each demonstration."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"prompt": ticket.messages, "completion": [{"role": "assistant", "content": text}]}
        for ticket, text in demonstrations
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")


def write_untrained_model(folder: Path, texts: Sequence[str], *, hidden: int, seed: int) -> None:
    """A tiny untrained language model whose tokenizer knows ``texts``.

    It is made in a process of its own, because no process of the web side may load torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(texts))
    subprocess.run(
        [sys.executable, "-c", _BUILD, folder, corpus, str(hidden), str(seed)],
        check=True,
        capture_output=True,
    )
    corpus.unlink()


def sample_replies(
    folder: Path, model: Path, prompts: Sequence[Ticket], *, samples: int, seed: int
) -> list[list[str]]:
    """For each prompt, so many replies sampled from the model, by the runner's own method ``generate``."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pylist([{"prompt": ticket.messages} for ticket in prompts]), folder / "prompts.parquet"
    )
    spec = RunSpec(
        method="generate",
        model=str(model),
        dataset=str(folder / "prompts.parquet"),
        seed=seed,
        parameters={
            "samples": samples,
            "max_new_tokens": REPLY_TOKENS,
            "batch_size": 64,
            "max_length": MAX_LENGTH,
        },
    )
    (folder / "spec.json").write_text(spec.to_json())
    command = [sys.executable, "-m", "trainer.runner", str(folder / "spec.json")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise Refused(f"The demo's model could not be sampled: {finished.stderr.strip().splitlines()[-1]}")
    replies: list[list[str]] = [[] for _ in prompts]
    for line in (folder / "responses.jsonl").read_text().splitlines():
        row = json.loads(line)
        replies[row["prompt_index"]].append(row["text"])
    return replies


def comparison_records(
    prompts: Sequence[Ticket], replies: Sequence[Sequence[str]], *, pairs: int, source: str, seed: int
) -> list[ComparisonRecord]:
    """Up to so many pairs of different replies to each prompt, in an order that says nothing of their quality."""
    records: list[ComparisonRecord] = []
    for index, (ticket, texts) in enumerate(zip(prompts, replies, strict=True)):
        chance = random.Random(f"{seed}:pairs:{index}")
        different = sorted({text.strip() for text in texts if text.strip()})
        possible = list(combinations(different, 2))
        for number, pair in enumerate(chance.sample(possible, min(pairs, len(possible)))):
            first, second = chance.sample(pair, 2)
            records.append(
                ComparisonRecord(
                    key=f"{ticket.problem}-{ticket.item}-{index}-{number}",
                    prompt=ticket.messages,
                    responses=[ResponseRecord("a", source, first), ResponseRecord("b", source, second)],
                    tags=[ticket.slice],
                    line=len(records) + 1,
                )
            )
    return records
