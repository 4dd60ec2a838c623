"""The run's figures in other tools' files: TensorBoard's always, where it is installed, and one tracker by name.

They get the same names and steps as the events, which stay the truth. A tracker works offline unless its own settings
in the environment (WANDB_API_KEY, MLFLOW_TRACKING_URI, TRACKIO_SPACE_ID) say otherwise.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainer.runner.failures import RunnerError
from trainer.spec import RunSpec

Values = Mapping[str, float | None]
Log = Callable[[int, Values], None]


class Tracking:
    """Written by rank 0 only; `log` takes figures as the events have them, `close` ends the files."""

    def __init__(self, spec: RunSpec, folder: Path) -> None:
        self._logs: list[Log] = []
        self._closes: list[Callable[[], Any]] = []
        if os.environ.get("RANK", "0") != "0":
            return
        if find_spec("tensorboard"):
            self._open_tensorboard(folder / "tensorboard")
        wanted = spec.parameters.get("report_to", "none")
        if wanted != "none":
            self._open_tracker(wanted, spec, folder)

    def log(self, step: int, values: Values, prefix: str = "train") -> None:
        named = {f"{prefix}/{name}": value for name, value in values.items() if value is not None}
        for each in self._logs:
            each(step, named)

    def close(self) -> None:
        for each in self._closes:
            each()

    def _open_tensorboard(self, folder: Path) -> None:
        # Its own writer, since torch's imports TensorFlow where there is one.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(folder))

        def log(step: int, values: Values) -> None:
            points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
            writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

        self._logs.append(log)
        self._closes.append(writer.close)

    def _open_tracker(self, name: str, spec: RunSpec, folder: Path) -> None:
        if not find_spec(name):
            raise RunnerError(
                f"report_to names {name}, which is not installed here: `pip install {name}`, or set it to none."
            )
        module = importlib.import_module(name)
        settings = {"method": spec.method, "model": spec.model, "seed": spec.seed, **spec.parameters}
        if name == "mlflow":
            self._open_mlflow(module, settings, folder)
            return
        options = (
            {"dir": str(folder), "mode": os.environ.get("WANDB_MODE", "offline")} if name == "wandb" else {}
        )
        if name == "wandb" and os.environ.get("WANDB_API_KEY"):
            del options["mode"]
        module.init(project="concord", name=folder.name, config=settings, **options)
        self._logs.append(lambda step, values: module.log(dict(values), step=step))
        self._closes.append(module.finish)

    def _open_mlflow(self, module: Any, settings: Mapping[str, Any], folder: Path) -> None:
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            module.set_tracking_uri(f"file:{folder / 'mlflow'}")
        module.start_run(run_name=folder.name)
        module.log_params({key: str(value)[:500] for key, value in settings.items()})
        self._logs.append(
            lambda step, values: module.log_metrics(
                {key: value for key, value in values.items() if value is not None}, step=step
            )
        )
        self._closes.append(module.end_run)
