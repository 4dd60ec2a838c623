"""The life of one run: lock, spec, method, outcome. Everything it leaves lies beside the spec file.

    SPEC.json: events.jsonl, checkpoint-N/, final/ (or responses.jsonl, scores.jsonl), result.json, runner.log,
    tensorboard/

Exit status: 0 finished (at once, when it had finished before), 1 failed, 75 another runner has the folder,
76 stopped by itself (an alarm that it was to stop on, or its budget), 143 cancelled.
Starting again after anything but a finish resumes. No Django, and torch only inside a method.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from trainer.events import EventWriter
from trainer.methods import TRAINING_METHODS
from trainer.runner.checkpoints import last_complete
from trainer.runner.failures import RunnerError, explain
from trainer.runner.stopping import Cancelled, StopWatch
from trainer.runner.tracking import Tracking
from trainer.runner.watched import WatchedEvents
from trainer.spec import RunSpec, SpecError

FINISHED = 0
FAILED = 1
BUSY = 75  # EX_TEMPFAIL of sysexits.h
STOPPED_ITSELF = 76
CANCELLED = 143  # 128 + SIGTERM, as a shell reports it


@dataclass(frozen=True)
class Run:
    """What a method is given: the spec, the folder to write to, where to report, and when to stop."""

    spec: RunSpec
    folder: Path
    events: EventWriter
    stop: StopWatch
    tracking: Tracking | None = None

    def report_metric(
        self, step: int, total_steps: int, epoch: float | None, values: dict[str, float | None]
    ) -> None:
        """A point of the charts: an event, and the same in the trackers' files."""
        self.events.write("metric", step=step, total_steps=total_steps, epoch=epoch, values=values)
        if self.tracking:
            self.tracking.log(step, values)

    def report_evaluation(self, step: int, values: dict[str, float | None]) -> None:
        """The figures on held-out rows, likewise."""
        self.events.write("evaluation", step=step, values=values)
        if self.tracking:
            self.tracking.log(step, values, "eval")

    def check_stop(self) -> None:
        """Raise Cancelled, with the checkpoint to go on from, when the run has to stop.

        Of several ranks the first decides: one that left alone would be waited for by the others.
        """
        if is_first_rank():
            self.stop.check(*last_complete(self.folder))


# Trains and says what goes into result.json.
Engine = Callable[[Run], dict[str, Any]]


def execute(spec_path: Path, engine: Engine | None = None) -> int:
    """Run a spec file to its end; returns the exit status. Never raises for what a person can cause.

    ``engine`` trains in place of the method's own module.
    """
    if not spec_path.is_file():
        return _refuse(f"The run spec {spec_path} does not exist; give the path of a JSON file.", FAILED)
    folder = spec_path.resolve().parent
    try:
        with ExitStack() as stack:
            if not stack.enter_context(_locked(folder)):
                return _refuse(
                    f"Another runner is at work in {folder}; wait for it or cancel it first.", BUSY
                )
            stop = StopWatch(folder)
            stack.enter_context(stop.watching())
            console = stack.enter_context(_libraries_print_to(folder / "runner.log"))
            events = stack.enter_context(WatchedEvents(folder / "events.jsonl", stop))
            return _report_outcome(spec_path, engine, events, stop, console)
    except OSError as error:
        return _refuse(f"Nothing can be written in {folder}: {explain(error)}", FAILED)


def _refuse(sentence: str, status: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status


def _report_outcome(
    spec_path: Path, engine: Engine | None, events: WatchedEvents, stop: StopWatch, console: TextIO
) -> int:
    try:
        result = _finish(spec_path, engine, events, stop)
    except Cancelled as cancelled:
        stop.clear()
        events.write(
            "cancelled", step=cancelled.step, checkpoint=cancelled.checkpoint, reason=cancelled.reason
        )
        return STOPPED_ITSELF if stop.by_itself else CANCELLED
    except Exception as error:  # whatever it is, the run has to say so
        sentence = explain(error)
        console.write(f"{sentence}\n")
        console.flush()
        with suppress(OSError):  # a full disk takes neither; stderr has the sentence
            os.write(2, traceback.format_exc().encode())  # to runner.log
            events.write("failed", message=sentence)
        return FAILED
    if not (events.last and events.last["kind"] == "finished"):
        events.write("finished", result=result)
    return FINISHED


def _finish(spec_path: Path, engine: Engine | None, events: WatchedEvents, stop: StopWatch) -> dict[str, Any]:
    """The result of the run: read where it has finished before, worked out otherwise."""
    spec, folder = _read_spec(spec_path), spec_path.resolve().parent
    result_path = folder / "result.json"
    if result_path.is_file():
        return _finished_before(result_path, spec)
    started = time.monotonic()
    events.obey(spec)
    if not spec.search:
        _prepare_environment(spec)
    if engine is None:
        module = importlib.import_module(f"trainer.runner.{'search' if spec.search else spec.method}")
        engine = module.execute
    tracked = spec.method in TRAINING_METHODS and not spec.search  # each trial has its own
    with closing(Tracking(spec, folder)) if tracked else nullcontext() as tracking:
        result = {
            "method": spec.method,
            "spec_sha256": spec.sha256(),
            **engine(Run(spec, folder, events, stop, tracking)),
            "seconds": round(time.monotonic() - started, 3),
        }
    if is_first_rank():
        _write_whole(result_path, json.dumps(result, indent=2, sort_keys=True))
    return result


def _read_spec(path: Path) -> RunSpec:
    try:
        return RunSpec.from_json(path.read_text())
    except UnicodeDecodeError as error:
        raise SpecError("spec: is not UTF-8 text; write it with RunSpec.to_json()") from error


def _finished_before(path: Path, spec: RunSpec) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    if result["spec_sha256"] != spec.sha256():
        raise RunnerError(
            f"{path.parent} holds the result of another spec; give each spec a folder of its own."
        )
    return result


def _prepare_environment(spec: RunSpec) -> None:
    """Set before torch and the Hugging Face libraries are imported, which read these once."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    torch = importlib.import_module("torch")
    torch.set_num_threads(spec.threads)


def is_first_rank() -> bool:
    """Whether this process is the one of a distributed run that writes."""
    return os.environ.get("RANK", "0") == "0"


def _write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether this process holds the folder. The kernel lets go of the lock however the process ends."""
    if not is_first_rank():
        yield True
        return
    with (folder / "run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _libraries_print_to(path: Path) -> Iterator[TextIO]:
    """Send file descriptors 1 and 2 to the log; yields the stderr there was, for the sentence on failure."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    console = os.fdopen(os.dup(2), "w")
    with path.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield console
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        for number, saved in zip((1, 2), kept, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        console.close()
