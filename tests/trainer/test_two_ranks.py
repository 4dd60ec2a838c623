"""One run on two processes, as the launchers spread it over cards."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trainer.events import read_events
from trainer.runner.execution import BUSY
from trainer.runner.ranks import status_of
from trainer.spec import RunSpec

from .conftest import ROOT


@pytest.mark.training
@pytest.mark.slow
def test_two_ranks_train_one_run(tiny_model, preferences, tmp_path):
    """By DDP, all that accelerate makes of a CPU's ranks by itself."""
    # DDP wants a gradient of every weight where it is not told of frozen ones.
    frozen = {"frozen_layers": 1, "gradient_checkpointing": "on"}
    fast = {"max_steps": 3, "batch_size": 2, "max_length": 128, "logging_steps": 1, "save_steps": 2}
    parameters = fast | frozen
    spec = RunSpec(method="reward", model=str(tiny_model), dataset=str(preferences), parameters=parameters)
    (tmp_path / "spec.json").write_text(spec.to_json())

    done = spread(tmp_path / "spec.json", OMP_NUM_THREADS="1")

    assert done.returncode == 0, done.stderr[-2000:]
    events, _ = read_events(tmp_path / "events.jsonl")
    kinds = [event["kind"] for event in events]
    assert (kinds.count("started"), kinds.count("finished")) == (1, 1)  # only the first rank writes
    assert [event["step"] for event in events if event["kind"] == "metric"] == [1, 2, 3]
    assert (tmp_path / "final" / "model.safetensors").is_file()


# Every response is worth 1, so that there is something to learn from the first step on.
ONE = {
    "type": "string_check",
    "name": "one",
    "input": "{{sample.output_text}}",
    "reference": "-",
    "operation": "ne",
}


@pytest.fixture(scope="module")
def reward_model(tiny_model, tmp_path_factory):
    """With a head that knows nothing, which is enough to start values from and to be asked for rewards."""
    folder = tmp_path_factory.mktemp("reward-model")
    AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=1).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return str(folder)


@pytest.mark.training
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "config", "options", "kind", "lora"),
    [
        ("sft", "fsdp2", (), "FSDP", 0),
        ("ppo", "fsdp2", (), "FSDP", 0),
        ("ppo", "fsdp2", (), "FSDP", 4),
        ("sft", "deepspeed", (), "DEEPSPEED", 0),
        ("ppo", "deepspeed", (), "DEEPSPEED", 0),
        ("ppo", "deepspeed", (), "DEEPSPEED", 4),
        ("sft", "deepspeed", ("--zero_stage", "3"), "DEEPSPEED", 0),
    ],
)
def test_our_files_shard_a_run_over_two_ranks(
    config, options, kind, lora, method, tiny_model, reward_model, preferences, tmp_path
):
    """By accelerate launch with the files of deploy/, over gloo; sharded_ranks.py says what is bent for a CPU."""
    if config == "deepspeed":
        pytest.importorskip("deepspeed", reason="deepspeed is not installed here")
    fast = {"max_steps": 3, "batch_size": 2, "max_length": 128, "logging_steps": 1, "save_steps": 2}
    fast |= {"learning_rate": 1e-3, "lora_r": lora}
    if method == "ppo":
        rewards = [{"grader": ONE}, {"model": reward_model}]
        fast |= {"rollouts": 2, "max_new_tokens": 8, "rewards": rewards, "value_model": reward_model}
    spec = RunSpec(method=method, model=str(tiny_model), dataset=str(preferences), parameters=fast)
    (tmp_path / "spec.json").write_text(spec.to_json())
    file = ROOT / "deploy" / "accelerate" / f"{config}.yaml"
    launch = [
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(file),
        "--mixed_precision",
        "no",
        *options,
    ]

    done = subprocess.run(
        [sys.executable, *launch, "-m", "tests.trainer.runner.sharded_ranks", str(tmp_path / "spec.json")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(f"trained by {kind}") == 2
    events, _ = read_events(tmp_path / "events.jsonl")
    metrics = [event for event in events if event["kind"] == "metric"]
    assert [event["step"] for event in metrics] == [1, 2, 3]
    if method == "ppo":
        # On both ranks the reference, which with LoRA is the policy without its adapter, is what the policy starts as.
        assert metrics[0]["values"]["kl"] == pytest.approx(0, abs=1e-4)
        assert abs(metrics[2]["values"]["kl"]) > 1e-3
    weights = load_file(tmp_path / "final" / "model.safetensors")
    whole = load_file(tiny_model / "model.safetensors")
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in whole.items()
    }
    moved = {name for name, value in weights.items() if (value != whole[name]).any()}
    assert "model.layers.0.self_attn.q_proj.weight" in moved
    assert ("model.embed_tokens.weight" in moved) == (lora == 0)


def spread(spec_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainer.runner.ranks", "2", str(spec_path)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_where_the_folder_is_taken_all_ranks_end_at_once(tmp_path):
    (tmp_path / "spec.json").write_text('{"method": "sft"}')
    with (tmp_path / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert spread(tmp_path / "spec.json").returncode == BUSY


RANK = """
import os, pathlib, signal, sys, time
rank, here = os.environ["RANK"], pathlib.Path(sys.argv[1]).parent
signal.signal(signal.SIGTERM, lambda *_: (here / f"told-{rank}").touch())
(here / f"up-{rank}").touch()
while not (here / f"told-{rank}").exists():
    time.sleep(0.01)
time.sleep(0.3 * (rank == "0"))  # the first rank still writes its checkpoint
(here / f"saved-{rank}").touch()
sys.exit(76 if rank == "0" else 143)
"""


def test_a_stop_reaches_every_rank_and_the_last_to_save_is_waited_for(tmp_path):
    """With scripts in the ranks' place, so that it takes a moment."""
    ranks_of = (
        "import subprocess, sys\nfrom trainer.runner import ranks\nPopen = subprocess.Popen\n"
        f"script = {RANK!r}\n"
        "rank = lambda command, **more: Popen([sys.executable, '-c', script, command[-1]], **more)\n"
        "ranks.subprocess.Popen = rank\n"
        "sys.exit(ranks.main(sys.argv[1:]))"
    )
    (tmp_path / "spec.json").write_text('{"method": "sft"}')
    command = [sys.executable, "-c", ranks_of, "2", str(tmp_path / "spec.json")]
    process = subprocess.Popen(command, cwd=ROOT)
    while not all((tmp_path / f"up-{rank}").exists() for rank in (0, 1)):
        assert process.poll() is None
        time.sleep(0.01)

    process.terminate()

    assert process.wait(30) == 76
    assert all((tmp_path / f"saved-{rank}").exists() for rank in (0, 1))


def test_a_method_that_only_answers_is_given_one_process(tmp_path):
    (tmp_path / "spec.json").write_text('{"method": "generate", "model": "m", "dataset": "d", "wrong": 1}')

    assert spread(tmp_path / "spec.json").returncode == 1

    events, _ = read_events(tmp_path / "events.jsonl")
    assert "wrong" in events[-1]["message"]
    assert (tmp_path / "runner.log").read_text().count("SpecError: wrong") == 1


@pytest.mark.parametrize(
    ("codes", "node", "status"),
    [
        ([0, 0], 0, 0),
        ([76, 143], 0, 76),
        ([143, 143], 1, 0),  # the first machine says it
        ([-9, 1], 0, 1),  # killed since the other had failed
        ([143, -9], 0, 143),  # which waited for one that had left
        ([143, 1], 0, 143),  # likewise
        ([-9, 143], 0, 137),
        ([1, 1], 1, 1),
    ],
)
def test_the_status_of_many_ranks_is_the_first_ones_or_a_failed_ones(codes, node, status):
    assert status_of(codes, node) == status
