"""Runs to try: a spec in a folder, executed in this process (fast) or by the real command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trainer.events import Event, read_events
from trainer.runner.__main__ import main
from trainer.runner.execution import Run
from trainer.spec import RunSpec

ROOT = Path(__file__).parents[3]


@dataclass
class TriedRun:
    """One run's folder and the ways to start it."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def spec_path(self) -> Path:
        return self.folder / "spec.json"

    def here(self) -> int:
        """Execute in this process; the exit status."""
        return main([str(self.spec_path)])

    def here_cancelled_after(self, step: int) -> int:
        """Execute in this process, with a CANCEL file that appears after a step; the exit status."""
        ended = threading.Event()

        def cancel() -> None:
            while not self.has_reached(step) and not ended.wait(0.005):
                pass
            (self.folder / "CANCEL").touch()

        watcher = threading.Thread(target=cancel)
        watcher.start()
        try:
            return self.here()
        finally:
            ended.set()
            watcher.join()

    def here_terminated_after(self, step: int) -> int:
        """Execute in this process, which sends itself SIGTERM once a step is reported; the exit status."""
        report = Run.report_metric

        def report_and_terminate(run: Run, at: int, *rest: Any) -> None:
            report(run, at, *rest)
            if at == step:
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "report_metric", report_and_terminate)
            return self.here()

    def command(self) -> subprocess.Popen[str]:
        """Start the real command, in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer.runner", str(self.spec_path)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def events(self, kind: str | None = None) -> list[Event]:
        return [
            event for event in read_events(self.folder / "events.jsonl")[0] if kind in (None, event["kind"])
        ]

    def losses(self) -> dict[int, float]:
        """The loss of each step; where a step was done twice, the later one."""
        return {event["step"]: event["values"]["loss"] for event in self.events("metric")}

    def wait_until(self, condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait for something a running process does; fails when it ends before."""
        for _ in range(6000):
            if condition():
                return
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            break
        assert condition(), f"it ended with {process.poll()} first: {self.events()[-1:]}"

    def wait_for_step(self, step: int, process: subprocess.Popen[str]) -> None:
        self.wait_until(lambda: self.has_reached(step), process)

    def has_reached(self, step: int) -> bool:
        return any(event["step"] >= step for event in self.events("metric"))


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Callable[..., TriedRun]]:
    """Make a run's folder with a spec in it: `new_run("dpo", model, dataset, max_steps=4)`."""
    runs: list[TriedRun] = []

    def make(method: str, model: Path | str, dataset: Path | str, /, **parameters: Any) -> TriedRun:
        folder = tmp_path / f"run{len(runs)}"
        folder.mkdir()
        spec = RunSpec(method, str(model), str(dataset), seed=1, parameters=parameters)
        (folder / "spec.json").write_text(spec.to_json())
        runs.append(TriedRun(folder))
        return runs[-1]

    yield make
    for process in (each for run in runs for each in run.started):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
