"""What our run machinery adds to the same TRL script run by hand, and how long a runner takes to its first step.

Both train the help desk's SFT with the same arguments, in turn, in one process; the time is the processor's within
`Trainer.train`, which other work on the machine disturbs least. The machinery reports every step, watches for a stop,
writes TensorBoard files and marks checkpoints. As two trainings differ by more than that on a busy machine, the time
within what is ours is counted too.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy import special

from tests.bench.report import ROOT, Row
from trainer.runner.execution import execute
from trainer.spec import RunSpec

PAIRS = 24
STEPS = 60


def measure(folder: Path, model: Path, dataset: Path) -> list[Row]:
    """The rows of the table. `model` is the help desk's untrained one, `dataset` its archive."""
    seconds = _timed_training()
    within = _timed_machinery()
    by_hand(folder / "warm-up", model, dataset)
    pairs, shares = [], []
    for number in range(PAIRS):
        found = {}
        # Who goes first changes, so that what drifts on the machine takes no side.
        for who in ("ours", "hand") if number % 2 else ("hand", "ours"):
            seconds.clear()
            within.clear()
            start = by_runner if who == "ours" else by_hand
            start(folder / f"{who}-{number}", model, dataset)
            found[who] = seconds[0]
            shares += [sum(within) / seconds[0]] if who == "ours" else []
        pairs.append(found["ours"] / found["hand"] - 1)
    return [
        _percent("our machinery beside TRL by hand, processor time added", pairs),
        _percent("our machinery, share of the processor time", shares),
        Row("from starting a runner to its first step", "s", first_step(folder, model, dataset), goal=15.0),
    ]


def _percent(name: str, shares: list[float]) -> Row:
    """The mean, with Student's 95 % interval over the pairs."""
    mean, error = np.mean(shares), np.std(shares, ddof=1) / len(shares) ** 0.5
    reach = special.stdtrit(len(shares) - 1, 0.975) * error
    low, middle, high = (100 * float(each) for each in (mean - reach, mean, mean + reach))
    return Row(name, "%", middle, goal=2.0, low=low, high=high)


def _timed_machinery() -> list[float]:
    """Where the processor time of each of our callbacks, and of the thread that writes TensorBoard's files, goes."""
    from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread

    from trainer.runner.callback import RunCallback
    from trainer.runner.layers import FreezingCallback

    seconds: list[float] = []
    ours = [(RunCallback, name) for name in vars(RunCallback) if name.startswith("on_")]
    for owner, name in (*ours, (FreezingCallback, "on_step_begin"), (_AsyncWriterThread, "run")):
        setattr(owner, name, _timed(getattr(owner, name), seconds))
    return seconds


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(time.thread_time() - begun)

    return timed


def _timed_training() -> list[float]:
    """Where the processor time of each training goes from now on."""
    from transformers import Trainer

    seconds: list[float] = []
    original = Trainer.train

    def train(self: Any, *arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        result = original(self, *arguments, **options)
        seconds.append(time.process_time() - begun)
        return result

    Trainer.train = train
    return seconds


def _spec(model: Path, dataset: Path) -> RunSpec:
    parameters = {
        "max_steps": STEPS,
        "batch_size": 32,
        "max_length": 128,
        "learning_rate": 5e-3,
        "logging_steps": 1,
        "save_steps": STEPS,
        "samples": 0,
    }
    return RunSpec("sft", str(model), str(dataset), parameters=parameters)


def by_runner(folder: Path, model: Path, dataset: Path) -> None:
    _fresh(folder)
    (folder / "spec.json").write_text(_spec(model, dataset).to_json())
    if execute(folder / "spec.json"):
        raise SystemExit((folder / "runner.log").read_text()[-2000:])


def by_hand(folder: Path, model: Path, dataset: Path) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    _fresh(folder)
    set_seed(0)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype="float32"),
        args=SFTConfig(
            output_dir=str(folder),
            max_steps=STEPS,
            per_device_train_batch_size=32,
            max_length=128,
            learning_rate=5e-3,
            logging_steps=1,
            save_steps=STEPS,
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset(pq.read_table(dataset / "train.parquet").replace_schema_metadata(None)),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()


def first_step(folder: Path, model: Path, dataset: Path) -> float:
    """Seconds from starting the command to the first step's event; the least of three."""
    found = []
    for number in range(3):
        run = folder / f"start-{number}"
        _fresh(run)
        (run / "spec.json").write_text(_spec(model, dataset).to_json())
        begun = time.time()
        command = [sys.executable, "-m", "trainer.runner", str(run / "spec.json")]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        first = next(event for event in events if event["kind"] == "metric")
        found.append(datetime.fromisoformat(first["at"]).timestamp() - begun)
    return min(found)


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
