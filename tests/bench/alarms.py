"""A whole run stopped by each alarm, from the help desk's SFT model: what it does wrong is real, and nothing is acted.

`reward_hacking` twice: PPO on the reward model that was learnt, with no price on the KL, and GRPO on a grader that pays
for words. The win rate is that of the true score's parts, which nothing is trained on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from deploy.demo import helpdesk
from tests.bench.methods_seed import COMMON, CORRECT, PPO, REPLY_TOKENS, carry_out, write_prompts
from tests.bench.report import Row
from trainer.events import read_events
from trainer.runner.checkpoints import last_complete
from trainer.runner.execution import FAILED, STOPPED_ITSELF
from trainer.spec import RunSpec

OUTPUT = "{{sample.output_text}}"
EVERY = {"logging_steps": 1}


def _says(text: str) -> dict[str, str]:
    return {
        "type": "string_check",
        "name": text,
        "input": OUTPUT,
        "reference": text,
        "operation": "ilike",
    }


SHORT = {"type": "length", "name": "short", "input": OUTPUT, "unit": "words", "most": helpdesk.SHORT_WORDS}
LONG = {"type": "length", "name": "long", "input": OUTPUT, "unit": "words", "least": 60, "slack": 60}
TERSE = {"type": "length", "name": "terse", "input": OUTPUT, "most": 1, "slack": 200}
TRUE = [
    {"grader": CORRECT, "weight": 0.5},
    {"grader": _says("sorry"), "weight": 0.2},
    {"grader": _says("we will"), "weight": 0.15},
    {"grader": SHORT, "weight": 0.15},
]


def runs(at: Path) -> Mapping[str, tuple[str, str, str, dict[str, Any]]]:
    """A name to its alarm, method, rows and parameters."""
    scorer = str(at / "reward" / "final")
    free = PPO | {
        "rewards": [{"model": scorer}],
        "value_model": scorer,
        "kl_coefficient": 0.0,
        "max_steps": 100,
    }
    wins = {"win_rate_by": TRUE, "eval_steps": 5}
    group = EVERY | {"generations": 8, "beta": 0.0, "max_steps": 100, "learning_rate": 1e-3}
    pays = group | {"rewards": [{"grader": LONG}], "max_new_tokens": 48}
    terse = group | {"rewards": [{"grader": TERSE}], "max_new_tokens": REPLY_TOKENS}
    few = EVERY | {"max_steps": 120, "learning_rate": 1e-3, "eval_steps": 5}
    # exp(-x) of this loss overflows where the rate is absurd.
    absurd = EVERY | {"max_steps": 30, "learning_rate": 1.0, "loss_type": ["discopop"], "max_grad_norm": 1e6}
    return {
        "PPO on the reward model": ("reward_hacking", "ppo", "prompts", free | wins),
        "GRPO on words": ("reward_hacking", "grpo", "prompts", pays | wins),
        "the same, nobody judging": ("length_hacking", "grpo", "prompts", pays),
        "PPO at three times the rate": ("kl_blow_up", "ppo", "prompts", free | {"learning_rate": 1e-3}),
        "GRPO on brevity": ("entropy_collapse", "grpo", "prompts", terse),
        "DPO on 48 pairs": ("overfitting", "dpo", "few", few),
        "DPO at a rate of 1": ("nan", "dpo", "few", absurd),
    }


def measure(at: Path, seed: int) -> list[Row]:
    """The step at which each run was stopped, of the seed's folder; what the alarms said is printed."""
    folder = at / "alarms"
    train, held_out = helpdesk.tickets(seed)
    for name, tickets in (("train", train), ("test", held_out[::2])):
        write_prompts(folder / "prompts", tickets, name)
    (folder / "few").mkdir(exist_ok=True)
    pairs = pq.read_table(at / "pairs" / "train.parquet")
    pq.write_table(pairs.slice(0, 48), folder / "few" / "train.parquet")
    pq.write_table(pairs.slice(300, 96), folder / "few" / "test.parquet")
    rows = []
    for name, (alarm, method, data, parameters) in runs(at).items():
        spec = RunSpec(
            method,
            str(at / "sft" / "final"),
            str(folder / data),
            seed=seed,
            parameters=COMMON | parameters,
            stop_on=(alarm,),
        )
        run = folder / f"{alarm}-{method}"
        rows.append(Row(f"{alarm}, {name}: stopped at step", "", _stopped(run, spec, alarm)))
    return rows


def _stopped(folder: Path, spec: RunSpec, alarm: str) -> int:
    """The step at which the run stopped by itself, with a checkpoint; or failed, where its loss was no number."""
    status = carry_out(folder, spec)
    events, _ = read_events(folder / "events.jsonl")
    raised = [event for event in events if event["kind"] == "alarm"]
    for event in raised:
        print(
            f"  {alarm}, {spec.method}, step {event['step']}: {event['alarm']}. {event['evidence']}",
            flush=True,
        )
    if alarm == "nan":
        stopped, at = status == FAILED, events[-2]["step"]
    else:
        at = events[-1]["step"]
        stopped = status == STOPPED_ITSELF and last_complete(folder)[0] == at
    if not stopped or alarm not in [event["alarm"] for event in raised]:
        raise SystemExit(f"{folder} was to be stopped by {alarm}, and ended with {status}: {events[-1]}")
    return int(at)
