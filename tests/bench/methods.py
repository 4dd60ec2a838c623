"""`make bench-methods`: every method on the help desk, from the same model and the same labels.

SFT on an archive of which 40 % is good; then DPO and KTO on pairs of its own replies, GRPO on graders, PPO on a reward
model and on both. The true score, half style and half correctness, is never trained on. SEEDS (0,1,2,3,4) are those
to run, BENCH_PARTS (methods,ppo,alarms,overhead) the parts: `ppo` is ours beside TRL 1.12's, which gets an environment
of its own under var/bench/venvs; `alarms` is a run stopped by each; `overhead` is our machinery beside TRL by hand.
BENCH_REUSE=1 takes what earlier runs have measured of a seed. What is measured is in docs/benchmarks.md.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from tests.bench import alarms, overhead
from tests.bench.methods_seed import FOLDER, REPLY_TOKENS, Scores, Seed, train
from tests.bench.report import ROOT, Row, publish
from trainer.runner import ppo

SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "0,1,2,3,4").split(",")]
PARTS = os.environ.get("BENCH_PARTS", "methods,ppo,alarms,overhead").split(",")
PEER = ROOT / "var" / "bench" / "venvs" / "trl-1.12"
PEER_PACKAGES = ("trl==1.12.0", "transformers>=4.56.2,<6", "accelerate==1.15.0", "datasets==5.2.0")


def win_rate(ours: Scores, theirs: Scores) -> float:
    """The share of pairs of replies to the same ticket that ours wins, ties half."""
    return float(np.mean(np.sign(np.subtract(ours, theirs)) / 2 + 0.5))


def with_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean over seeds, with Student's 95 % interval where there are two or more."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def kept(path: Path, measure: Callable[[], Any]) -> Any:
    """What was measured before, where BENCH_REUSE asks for it: a seed takes minutes."""
    if os.environ.get("BENCH_REUSE") and path.is_file():
        return json.loads(path.read_text())
    begun = time.perf_counter()
    found = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    print(f"  {path.parent.name}, {path.stem}: {time.perf_counter() - begun:.0f} s", flush=True)
    return found


def methods_of(seed: int) -> dict[str, dict[str, float]]:
    """Score, win rate and words of each method."""
    world_of = Seed(seed)
    base, _ = world_of.scores("SFT", world_of.sft)
    found = {}
    for name, model in world_of.methods().items():
        scores, words = world_of.scores(name, model)
        found[name] = {"score": float(np.mean(scores)), "win": win_rate(scores, base), "words": words}
    return found


def run_methods() -> list[Row]:
    found: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        path = FOLDER / f"seed-{seed}" / "methods.json"
        for name, told in kept(path, partial(methods_of, seed)).items():
            for what, value in told.items():
                found.setdefault(name, {}).setdefault(what, []).append(value)
    rows = []
    for name, told in found.items():
        for what, unit in (("score", "true score"), ("win", "win rate against SFT"), ("words", "words")):
            if name == "SFT" and what == "win":
                continue
            mean, low, high = with_interval(told[what])
            rows.append(Row(f"{name}: {unit}", "", mean, low=low, high=high, more_is_better=True))
    return rows


def run_ppo() -> list[Row]:
    """Ours and TRL 1.12's from the same models, in turn: one learning rate for policy and value, as TRL's has."""
    same = {
        "rollouts": 32,
        "batch_size": 32,
        "ppo_epochs": 2,
        "learning_rate": 3e-4,
        "kl_coefficient": 0.4,
        "value_weight": 0.5,
        "max_new_tokens": REPLY_TOKENS,
    }
    found = [kept(FOLDER / f"seed-{seed}" / "compared.json", partial(compared, seed, same)) for seed in SEEDS]
    curves = _curves([each["ours"] for each in found], [each["theirs"] for each in found])
    return [*curves, *_speed([each["speeds"] for each in found])]


def compared(seed: int, same: dict[str, Any]) -> dict[str, Any]:
    """The rewards of each step of ours and TRL's, and the responses a second of both."""
    at = FOLDER / f"seed-{seed}"
    if not (at / "pairs").is_dir():
        Seed(seed)
    scorer = _scorer_that_ends_with_the_response(at, seed)
    more = {"value_learning_rate": 3e-4, "value_model": str(scorer), "max_steps": 60, "logging_steps": 1}
    folder = at / "ppo-compared"
    rewards = {"rewards": [{"model": str(scorer)}]}
    with processor_seconds(ppo.PPO) as seconds:
        train(folder, "ppo", at / "sft" / "final", at / "prompts", seed, **same | more | rewards)
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    values = [line["values"] for line in lines if line["kind"] == "metric"]
    prompts = [row["prompt"] for row in pq.read_table(at / "prompts" / "train.parquet").to_pylist()]
    settings = same | {
        "seed": seed,
        "steps": 60,
        "model": str(at / "sft" / "final"),
        "reward_model": str(scorer),
        "prompts": prompts,
        "output": str(at / "peer"),
    }
    peer = run_peer(at / "peer.json", settings)
    return {
        "ours": [each["reward"] for each in values],
        "theirs": peer["rewards"],
        "speeds": (60 * 32 / seconds[0], peer["episodes"] / peer["processor_seconds"]),
    }


@contextmanager
def processor_seconds(trainer: type) -> Iterator[list[float]]:
    """The processor's time within `train`, which other work on the machine disturbs least; both use one thread."""
    seconds: list[float] = []
    original = trainer.train

    def timed(self: Any, *arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        result = original(self, *arguments, **options)
        seconds.append(time.process_time() - begun)
        return result

    trainer.train = timed
    try:
        yield seconds
    finally:
        trainer.train = original


def _scorer_that_ends_with_the_response(at: Path, seed: int) -> Path:
    """A reward model that reads the score at the end token, as TRL's PPO does.

    Our template has a line break behind it, and a reward model of ours reads the whole conversation by its template.
    """
    base = at / "compared-base"
    shutil.copytree(at / "sft" / "final", base, dirs_exist_ok=True)
    template = base / "chat_template.jinja"
    text = template.read_text()
    before, behind = (
        "<|im_end|>\n{% endfor %}",
        "<|im_end|>{% if not loop.last or add_generation_prompt %}{{ '\\n' }}{% endif %}{% endfor %}",
    )
    if before not in text:
        raise SystemExit(f"{template} has changed; it must end messages with <|im_end|> and a line break")
    template.write_text(text.replace(before, behind))
    settings = {"max_steps": 60, "learning_rate": 2e-3, "center_coefficient": 0.01}
    return train(at / "compared-reward", "reward", base, at / "pairs", seed, **settings)


def _curves(ours: list[list[float]], theirs: list[list[float]]) -> list[Row]:
    """The mean reward of each stretch of 20 steps, ours less theirs, paired by seed."""
    rows = []
    for start in range(0, 60, 20):
        mine, other = (np.array(each)[:, start : start + 20].mean(axis=1) for each in (ours, theirs))
        mean, low, high = with_interval((mine - other).tolist())
        name = f"PPO: reward of steps {start + 1} to {start + 20}"
        rows.append(Row(name, "", float(mine.mean()), "TRL 1.12", float(other.mean()), more_is_better=True))
        rows.append(Row(f"{name}, ours less TRL's", "", mean, low=low, high=high, more_is_better=True))
    return rows


def _speed(speeds: list[tuple[float, float]]) -> list[Row]:
    mine, other = (float(np.median([each[side] for each in speeds])) for side in (0, 1))
    times = float(np.median([a / b for a, b in speeds]))
    return [
        Row("PPO: responses a second of the processor", "", mine, "TRL 1.12", other, more_is_better=True),
        Row("PPO: times as fast as TRL 1.12", "x", times, goal=1.5, more_is_better=True),
    ]


def run_peer(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    path.write_text(json.dumps(settings))
    script = Path(__file__).with_name("methods_peer.py")
    ran = subprocess.run([_peer_python(), "-P", script, path], capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    found: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


def _peer_python() -> Path:
    """The peer's interpreter; its environment is made the first time."""
    python, done = PEER / "bin" / "python", PEER / ".installed"
    if not done.exists():
        print("  installing TRL 1.12", flush=True)
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
        for packages in (("torch==2.13.0",), PEER_PACKAGES):
            subprocess.run([PEER / "bin" / "pip", "install", "-q", *packages], check=True)
        done.touch()
    return python


def main() -> None:
    rows = []
    if "methods" in PARTS:
        rows += run_methods()
    if "ppo" in PARTS:
        rows += run_ppo()
    at = FOLDER / f"seed-{SEEDS[0]}"
    if {"alarms", "overhead"} & {*PARTS} and not (at / "prompts").is_dir():
        Seed(SEEDS[0])
    if "alarms" in PARTS:
        rows += alarms.measure(at, SEEDS[0])
    if "overhead" in PARTS:
        rows += overhead.measure(FOLDER / "overhead", at / "untrained", at / "archive")
    publish("methods", rows)


if __name__ == "__main__":
    main()
