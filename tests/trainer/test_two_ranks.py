"""One run on two processes, as `accelerate` and the launchers spread it over cards."""

import os
import subprocess
import sys

import pytest

from trainer.events import read_events
from trainer.spec import RunSpec

from .conftest import ROOT


@pytest.mark.training
def test_two_ranks_train_one_run(tiny_model, preferences, tmp_path):
    """FSDP2 and DeepSpeed need cards; two gloo processes are what a CPU has of them."""
    parameters = {"max_steps": 3, "batch_size": 2, "max_length": 128, "logging_steps": 1, "save_steps": 2}
    spec = RunSpec(method="reward", model=str(tiny_model), dataset=str(preferences), parameters=parameters)
    (tmp_path / "spec.json").write_text(spec.to_json())
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "trainer.runner"]

    done = subprocess.run(
        [sys.executable, *spread, str(tmp_path / "spec.json")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    events, _ = read_events(tmp_path / "events.jsonl")
    kinds = [event["kind"] for event in events]
    assert (kinds.count("started"), kinds.count("finished")) == (1, 1)  # only the first rank writes
    assert [event["step"] for event in events if event["kind"] == "metric"] == [1, 2, 3]
    assert (tmp_path / "final" / "model.safetensors").is_file()
