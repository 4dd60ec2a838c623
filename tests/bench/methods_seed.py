"""The help desk of one seed: its SFT model, pairs of its replies, a reward model, and what each method makes of it."""

import json
import random
import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.demo import helpdesk, world
from deploy.demo.helpdesk import Ticket
from tests.bench.report import ROOT
from trainer.runner.execution import FINISHED, execute
from trainer.spec import RunSpec

FOLDER = ROOT / "var" / "bench" / "methods"
SAMPLES, REPLY_TOKENS, EVALUATED = 6, 28, 4
FLIPPED = 0.1
COMMON: dict[str, Any] = {"batch_size": 32, "max_length": world.MAX_LENGTH, "save_steps": 1000, "samples": 0}
CORRECT = {
    "type": "multi",
    "name": "correct",
    "graders": {
        "item": {
            "type": "string_check",
            "name": "item",
            "input": "{{sample.output_text}}",
            "reference": "{{item.item}}",
            "operation": "ilike",
        },
        "action": {
            "type": "string_check",
            "name": "action",
            "input": "{{sample.output_text}}",
            "reference": "we will {{item.action}} it",
            "operation": "ilike",
        },
    },
    "calculate_output": "item * action",
}
PPO: dict[str, Any] = {
    "rollouts": 32,
    "max_steps": 60,
    "ppo_epochs": 2,
    "learning_rate": 3e-4,
    "value_learning_rate": 1e-3,
    "kl_coefficient": 0.4,
    "max_new_tokens": REPLY_TOKENS,
    "logging_steps": 1,
}
Scores = list[list[float]]


def train(folder: Path, method: str, model: Path, dataset: Path, seed: int, **parameters: Any) -> Path:
    """Carry out a run by the runner itself; its final model."""
    common = {} if method == "generate" else COMMON
    spec = RunSpec(method, str(model), str(dataset), seed=seed, parameters=common | parameters)
    if carry_out(folder, spec) != FINISHED:
        raise SystemExit(f"{folder} failed: {(folder / 'runner.log').read_text()[-2000:]}")
    return folder / "final"


def carry_out(folder: Path, spec: RunSpec) -> int:
    """Put the spec into a fresh folder and execute it; the exit status."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(spec.to_json())
    return execute(folder / "spec.json")


def replies(folder: Path, model: Path, tickets: Sequence[Ticket], samples: int, seed: int) -> list[list[str]]:
    """So many sampled replies to each ticket."""
    rows = folder.with_suffix(".parquet")
    rows.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{"prompt": each.messages} for each in tickets]), rows)
    settings = {"samples": samples, "max_new_tokens": 48, "batch_size": 64, "max_length": world.MAX_LENGTH}
    train(folder, "generate", model, rows, seed, **settings)
    found: list[list[str]] = [[] for _ in tickets]
    for line in (folder / "responses.jsonl").read_text().splitlines():
        row = json.loads(line)
        found[row["prompt_index"]].append(row["text"])
    return found


def write_pairs(folder: Path, tickets: Sequence[Ticket], texts: list[list[str]], seed: int) -> None:
    """512 pairs of different replies, labelled by their style, a tenth the wrong way round."""
    chance = random.Random(f"{seed}:pairs")
    rows = []
    for ticket, given in zip(tickets, texts, strict=True):
        for pair in combinations(sorted({text.strip() for text in given if text.strip()}), 2):
            first, second = (helpdesk.style_score(text) for text in pair)
            if first == second:
                continue
            better, worse = pair if first > second else pair[::-1]
            sides = (worse, better) if chance.random() < FLIPPED else (better, worse)
            chosen, rejected = ([{"role": "assistant", "content": text}] for text in sides)
            rows.append({"prompt": ticket.messages, "chosen": chosen, "rejected": rejected})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(chance.sample(rows, min(512, len(rows)))), folder / "train.parquet")


def write_prompts(folder: Path, tickets: Sequence[Ticket], split: str = "train") -> None:
    """The prompts with what the grader reads beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"prompt": each.messages, "item": each.item, "action": helpdesk.ACTIONS[each.problem]}
        for each in tickets
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


class Seed:
    """Everything of one seed: its tickets, SFT model, pairs and reward model."""

    def __init__(self, seed: int) -> None:
        self.seed, self.folder = seed, FOLDER / f"seed-{seed}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.train, self.held_out = helpdesk.tickets(seed)
        archive = helpdesk.demonstrations(self.train, seed)
        world.write_demonstrations(self.folder / "archive", archive)
        texts = [ticket.text for ticket in self.train] + [text for _, text in archive]
        world.write_untrained_model(self.folder / "untrained", texts, hidden=64, seed=seed)
        self.sft = train(
            self.folder / "sft",
            "sft",
            self.folder / "untrained",
            self.folder / "archive",
            seed,
            max_steps=200,
            learning_rate=5e-3,
            warmup_steps=5,
        )
        own = replies(self.folder / "own", self.sft, self.train, SAMPLES, seed)
        write_pairs(self.folder / "pairs", self.train, own, seed)
        write_prompts(self.folder / "prompts", self.train)
        self.reward_model = self._train("reward", max_steps=60, learning_rate=2e-3, center_coefficient=0.01)

    def methods(self) -> dict[str, Path]:
        """The model that each method makes of the SFT model."""
        scored = {"model": str(self.reward_model)}
        value = {"value_model": str(self.reward_model)}
        dpo = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}
        grpo = {"rewards": [{"grader": CORRECT}], "generations": 8, "beta": 0.0}
        both = [scored | {"weight": 0.5}, {"grader": CORRECT, "weight": 1.0}]
        return {
            "SFT": self.sft,
            "DPO": self._train("dpo", max_steps=50, learning_rate=5e-4, **dpo),
            "KTO": self._train("kto", max_steps=100, learning_rate=1e-3),
            "GRPO, graders": self._train(
                "grpo", "prompts", max_steps=60, learning_rate=3e-4, max_new_tokens=REPLY_TOKENS, **grpo
            ),
            "PPO, reward model": self._train("ppo", "prompts", rewards=[scored], **value, **PPO),
            "PPO, both": self._train("ppo", "prompts", name="ppo-both", rewards=both, **value, **PPO),
        }

    def scores(self, name: str, model: Path) -> tuple[Scores, float]:
        """True scores of the replies to each held-out ticket, and the mean words of a reply."""
        texts = replies(
            self.folder / "held-out" / name.replace(", ", "-").replace(" ", "-"),
            model,
            self.held_out,
            EVALUATED,
            self.seed,
        )
        found = [
            [helpdesk.true_score(ticket, text) for text in given]
            for ticket, given in zip(self.held_out, texts, strict=True)
        ]
        return found, float(np.mean([len(text.split()) for given in texts for text in given]))

    def _train(self, method: str, rows: str = "pairs", name: str = "", **parameters: Any) -> Path:
        return train(
            self.folder / (name or method), method, self.sft, self.folder / rows, self.seed, **parameters
        )
