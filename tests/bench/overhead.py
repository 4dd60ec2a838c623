"""What our run machinery adds to the same TRL script run by hand, and how long a runner takes to its first step.

Both train the help desk's SFT with the same arguments, step by step in turn in one process: after each step of one the
other does its own, on the same rows. So what else goes on in the machine, which makes two trainings one after the other
differ by more than what is asked for, is there for both. A step is all between two beginnings of steps, the last one
up to the end of `Trainer.train`; its time is the processor's in the training's own thread, to which what TensorBoard's
writer needs is added. The machinery reports every step, watches for a stop, writes TensorBoard files and marks
checkpoints. The time within what is ours is counted too.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
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

TRAININGS = 12
STEPS = 60


def measure(folder: Path, model: Path, dataset: Path) -> list[Row]:
    """The rows of the table. `model` is the help desk's untrained one, `dataset` its archive."""
    within = _timed_machinery()
    turns = Turns()
    added, shares = [], []
    for number in range(-1, TRAININGS):  # the first warms up
        within.clear()
        ours, hand = turns.trained(
            lambda at=folder / f"ours-{number}": by_runner(at, model, dataset),
            lambda at=folder / f"hand-{number}": by_hand(at, model, dataset),
        )
        if number < 0:
            continue
        ours += sum(within["run"]) / STEPS  # TensorBoard's thread
        added += ((ours - hand) / hand.mean()).tolist()
        shares.append(sum(map(sum, within.values())) / ours.sum())
    return [
        _percent("our machinery beside TRL by hand, processor time added", added),
        _percent("our machinery, share of the processor time", shares),
        Row("from starting a runner to its first step", "s", first_step(folder, model, dataset), goal=15.0),
    ]


class Turns:
    """Two trainings that do a step each in turn: ours in the main thread, which alone takes signals."""

    def __init__(self) -> None:
        import trl.trainer.sft_trainer  # noqa: F401  # before two threads import it
        from transformers import Trainer, TrainerCallback

        import trainer.runner.sft  # noqa: F401

        turns, original = self, Trainer.train

        class Turn(TrainerCallback):
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                turns.take()

            def on_log(
                self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **_: Any
            ) -> None:
                if "loss" in logs:
                    turns.losses[_side()].append(logs["loss"])

        def train(trainer: Any, *arguments: Any, **options: Any) -> Any:
            trainer.add_callback(Turn())
            try:
                return original(trainer, *arguments, **options)
            finally:
                turns.leave()

        Trainer.train = train

    def trained(self, ours: Callable[[], None], hand: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
        """The processor's seconds of each step of both. SystemExit where they did not do the same work."""
        self.losses: tuple[list[float], list[float]] = ([], [])
        self._seconds: tuple[list[float], list[float]] = ([], [])
        self._begun: list[float | None] = [None, None]
        self._free = (threading.Semaphore(1), threading.Semaphore(0))
        self._both_begin = threading.Barrier(2, timeout=600)
        other = threading.Thread(target=hand)
        other.start()
        ours()
        other.join()
        if self.losses[0] != self.losses[1] or len(self.losses[0]) != STEPS:
            raise SystemExit("the two trainings did not do the same work")
        return np.array(self._seconds[0]), np.array(self._seconds[1])

    def take(self) -> None:
        """A step has ended; the next begins when the other training has done its own."""
        if self._begun[_side()] is None:
            self._both_begin.wait()
        else:
            self._hand_over()
        self._free[_side()].acquire()
        self._begun[_side()] = time.thread_time()

    def leave(self) -> None:
        """The last step has ended; what ours does after it waits until the other's is done."""
        self._hand_over()
        if _side() == 0:
            self._free[0].acquire()

    def _hand_over(self) -> None:
        side = _side()
        self._seconds[side].append(time.thread_time() - (self._begun[side] or 0.0))
        self._free[1 - side].release()


def _side() -> int:
    """0 for ours, 1 for the training by hand."""
    return int(threading.current_thread() is not threading.main_thread())


def _percent(name: str, shares: list[float]) -> Row:
    """The mean, with Student's 95 % interval over the steps or trainings."""
    mean, error = np.mean(shares), np.std(shares, ddof=1) / len(shares) ** 0.5
    reach = special.stdtrit(len(shares) - 1, 0.975) * error
    low, middle, high = (100 * float(each) for each in (mean - reach, mean, mean + reach))
    return Row(name, "%", middle, goal=2.0, low=low, high=high)


def _timed_machinery() -> dict[str, list[float]]:
    """Where the processor time of each of our callbacks goes by name; `run` is the thread that writes TensorBoard's."""
    from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread

    from trainer.runner.callback import RunCallback
    from trainer.runner.layers import FreezingCallback

    seconds: dict[str, list[float]] = defaultdict(list)
    ours = [(RunCallback, name) for name in vars(RunCallback) if name.startswith("on_")]
    for owner, name in (*ours, (FreezingCallback, "on_step_begin"), (_AsyncWriterThread, "run")):
        setattr(owner, name, _timed(getattr(owner, name), seconds, name))
    return seconds


def _timed(function: Callable[..., Any], seconds: dict[str, list[float]], name: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[name].append(time.thread_time() - begun)

    return timed


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
            seed=0,
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
