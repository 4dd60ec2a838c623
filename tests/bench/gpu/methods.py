"""`make bench-gpu`: tokens a second and peak memory of each method, ours beside TRL's defaults, on one GPU.

Models have the shapes of 0.6B and 1.7B and random weights. `--small` runs a tiny shape, which is what happens without
a GPU: the scripts are then tried, and the figures say nothing. `--sizes 0.6B` and `--methods sft,dpo` choose.
`--trl-1.12 FOLDER` names an unpacked trl-1.12.0 wheel, the last with a PPO, for `ppo`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.gpu.one import SHAPES, make_model, make_rows
from tests.bench.report import ROOT, Row, publish

METHODS = ("sft", "reward", "dpo", "grpo", "ppo")
GOALS = {"reward": 1.5, "dpo": 1.5, "ppo": 2.0}
# Passes over the weights a token, in units of 2 × weights operations: forward 1, backward 2; DPO asks a reference too.
PASSES = {"sft": 3, "reward": 3, "dpo": 4}
PEAK = 989e12  # dense bf16 operations a second of an H100 or H200


def main() -> None:
    arguments = parse()
    import torch

    gpu = torch.cuda.is_available()
    small = arguments.small or not gpu
    if not gpu:
        print("No GPU here: a tiny shape on the CPU, to try the scripts. The figures of a GPU are missing.")
    sizes = ["small"] if small else arguments.sizes.split(",")
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_model(Path(folder), size)
            make_rows(Path(folder), 96 if small else 512)
            for method in arguments.methods.split(","):
                rows += compare(size, method, Path(folder), small, arguments.trl_112)
    publish("gpu-small" if small else "gpu", rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--sizes", default="0.6B,1.7B")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--trl-1.12", dest="trl_112", type=Path)
    return parser.parse_args()


def compare(size: str, method: str, folder: Path, small: bool, peer_folder: Path | None) -> list[Row]:
    wanted = {
        "method": method,
        "size": size,
        "folder": str(folder),
        "steps": 6 if small else 20,
        "tokens": 96 if small else 512,
        "batch_size": 8,
        "rollouts": 8 if small else 32,
        "threads": 1 if small else 8,
    }
    mine = measure(wanted | {"who": "ours"})
    peer = None
    if method != "ppo":
        peer = measure(wanted | {"who": "trl"})
    elif peer_folder is not None:
        peer = measure_old_ppo(wanted, peer_folder)
    return rows_of(size, method, mine, peer)


def rows_of(size: str, method: str, mine: dict[str, Any], peer: dict[str, Any] | None) -> list[Row]:
    name, goal = f"{size} {method}", GOALS.get(method)
    who = None if peer is None else "TRL 1.12" if method == "ppo" else "TRL, defaults"
    their = peer or {"tokens_per_second": None, "peak_gb": None}
    rows = [
        Row(
            f"{name}: tokens",
            "/s",
            mine["tokens_per_second"],
            who,
            their["tokens_per_second"],
            more_is_better=True,
        ),
        Row(f"{name}: peak memory", "GB", mine["peak_gb"], who, their["peak_gb"]),
    ]
    if peer and goal:
        times = mine["tokens_per_second"] / peer["tokens_per_second"]
        rows.append(Row(f"{name}: times as fast", "x", times, goal=goal, more_is_better=True))
    if peer and method in PASSES:
        apart = max(abs(a - b) for a, b in zip(mine["losses"], peer["losses"], strict=False))
        rows.append(Row(f"{name}: largest difference of a step's loss", "", apart))
    if method in PASSES and size != "small":
        hidden, layers, intermediate, heads, shared, vocabulary = SHAPES[size]
        attention = hidden * 128 * (2 * heads + 2 * shared)
        weights = layers * (attention + 3 * hidden * intermediate) + hidden * vocabulary
        share = mine["tokens_per_second"] * PASSES[method] * 2 * weights / PEAK
        rows.append(Row(f"{name}: share of the card's peak", "", share, more_is_better=True))
    return rows


def measure(wanted: dict[str, Any]) -> dict[str, Any]:
    print(f"  {wanted['size']} {wanted['method']} by {wanted['who']}", flush=True)
    shutil.rmtree(Path(wanted["folder"]) / f"run-{wanted['method']}", ignore_errors=True)
    return run([sys.executable, "-m", "tests.bench.gpu.one", json.dumps(wanted)], {})


def measure_old_ppo(wanted: dict[str, Any], peer_folder: Path) -> dict[str, Any]:
    """TRL 1.12's PPO, found before the TRL that is installed."""
    import pyarrow.parquet as pq

    folder = Path(wanted["folder"])
    prompts = [row["prompt"] for row in pq.read_table(folder / "prompts" / "train.parquet").to_pylist()]
    settings = {
        "seed": 0,
        "steps": wanted["steps"],
        "rollouts": wanted["rollouts"],
        "batch_size": wanted["batch_size"],
        "ppo_epochs": 2,
        "learning_rate": 1e-6,
        "kl_coefficient": 0.05,
        "value_weight": 0.5,
        "max_new_tokens": wanted["tokens"] // 2,
        "model": str(folder / "model"),
        "reward_model": str(folder / "scorer"),
        "prompts": prompts,
        "output": str(folder / "old-ppo"),
    }
    path = folder / "old-ppo.json"
    path.write_text(json.dumps(settings))
    script = Path(__file__).parents[1] / "methods_peer.py"
    return run([sys.executable, "-P", str(script), str(path)], {"PYTHONPATH": str(peer_folder)})


def run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
