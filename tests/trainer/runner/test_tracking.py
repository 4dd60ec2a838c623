"""The run's figures in other tools' files: the same as the events."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.runner.tracking import Tracking
from trainer.spec import RunSpec

NewRun = Callable[..., Any]
SETTINGS = {"max_steps": 2, "eval_steps": 1, "logging_steps": 1, "samples": 0}
# Trackio's three functions, as its package has them; it writes down what it is told.
TRACKIO = """
told = []
def init(project, name=None, config=None): told.append(("init", project, config["method"]))
def log(metrics, step=None): told.append(("log", step, metrics))
def finish(): told.append(("finish",))
"""


def test_tensorboard_files_hold_the_figures_of_the_events(
    new_run: NewRun, tiny_model: Path, conversations: Path
) -> None:
    run = new_run("sft", tiny_model, conversations, **SETTINGS)

    assert run.here() == 0

    found = EventAccumulator(str(run.folder / "tensorboard"))
    found.Reload()
    for kind, prefix in (("metric", "train"), ("evaluation", "eval")):
        for event in run.events(kind):
            points = {point.step: point.value for point in found.Scalars(f"{prefix}/loss")}
            assert points[event["step"]] == pytest.approx(event["values"]["loss"], rel=1e-6)


def test_a_tracker_is_told_by_one_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackio.py").write_text(TRACKIO)
    spec = spec_from_file_location("trackio", tmp_path / "trackio.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "trackio", module)  # gone again with the test: TRL looks for it as well
    tracking = Tracking(RunSpec("sft", "m", "d", parameters={"report_to": "trackio"}), tmp_path)

    tracking.log(3, {"loss": 0.5, "kl": None})
    tracking.log(3, {"loss": 0.7}, "eval")
    tracking.close()

    assert module.told == [
        ("init", "concord", "sft"),
        ("log", 3, {"train/loss": 0.5}),
        ("log", 3, {"eval/loss": 0.7}),
        ("finish",),
    ]
