"""One measurement in a process of its own: ``python -m tests.bench.gpu.one JSON``, one method by ours or by TRL.

Needs the repository and the wheels that travel with it. `ours` is the runner on a spec with what it offers for speed;
`trl` is TRL's trainer with its defaults, but for what makes the work the same: rows, batch, length, steps, seed. Both
train in bf16. Prints {"tokens_per_second", "seconds_per_step", "peak_gb", "losses"}; the first two steps are left out.
"""

import json
import os
import random
import resource
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

WARM_UP = 2
SHAPES = {  # Qwen3's: hidden, layers, intermediate, heads, key-value heads, vocabulary
    "0.6B": (1024, 28, 3072, 16, 8, 151_936),
    "1.7B": (2048, 28, 6144, 16, 8, 151_936),
    "small": (64, 2, 192, 4, 2, 512),
}
WORDS = (
    "lamp",
    "kettle",
    "broken",
    "late",
    "sorry",
    "replace",
    "today",
    "order",
    "please",
    "thank",
    "help",
    "we",
)
WORD_GRADER = {
    "type": "string_check",
    "name": "sorry",
    "input": "{{sample.output_text}}",
    "reference": "sorry",
    "operation": "like",
}


def make_model(folder: Path, size: str) -> None:
    """A model of a known shape with random weights, and a tokenizer of a few words."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

    from deploy.demo.tiny_model import _train_tokenizer

    hidden, layers, intermediate, heads, shared, vocabulary = SHAPES[size]
    tokenizer = _train_tokenizer([" ".join(WORDS)] * 4, 420)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=intermediate,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        head_dim=hidden // heads if size == "small" else 128,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder / "model")
    config.num_labels = 1
    Qwen3ForSequenceClassification(config).save_pretrained(folder / "scorer")
    for name in ("model", "scorer"):
        tokenizer.save_pretrained(folder / name)


def make_rows(folder: Path, tokens: int) -> None:
    """Preference rows of a third to the whole of so many tokens, prompts and conversations from them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = random.Random(0)

    def text(words: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(words))

    rows = []
    for _ in range(512):
        words = chance.randint(tokens // 6, tokens // 3)
        prompt = [{"role": "user", "content": text(words // 3)}]
        sides = {side: [{"role": "assistant", "content": text(words)}] for side in ("chosen", "rejected")}
        rows.append({"prompt": prompt, **sides})
    for name, columns in {
        "pairs": ("prompt", "chosen", "rejected"),
        "prompts": ("prompt",),
    }.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist([{column: row[column] for column in columns} for row in rows])
        pq.write_table(table, folder / name / "train.parquet")
    demonstrations = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    (folder / "demonstrations").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(demonstrations), folder / "demonstrations" / "train.parquet")


ROWS = {"sft": "demonstrations", "reward": "pairs", "dpo": "pairs", "grpo": "prompts", "ppo": "prompts"}


def by_runner(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The runner on a spec, in this process, so that its memory can be read."""
    from trainer.runner.execution import execute
    from trainer.spec import RunSpec

    parameters = common(wanted) | ours(wanted, folder)
    run = folder / f"run-{wanted['method']}"
    run.mkdir()
    spec = RunSpec(
        wanted["method"],
        str(folder / "model"),
        str(folder / ROWS[wanted["method"]]),
        threads=wanted["threads"],
        parameters=parameters,
    )
    (run / "spec.json").write_text(spec.to_json())
    if execute(run / "spec.json"):
        raise SystemExit((run / "runner.log").read_text()[-3000:])
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    points = [event for event in events if event["kind"] == "metric"]
    at = [datetime.fromisoformat(event["at"]).timestamp() for event in points]
    return summary(at, [event["values"]["loss"] for event in points], run_tokens(wanted, folder, points))


def common(wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "max_steps": wanted["steps"],
        "max_length": wanted["tokens"],
        "batch_size": wanted["batch_size"],
        "logging_steps": 1,
        "save_steps": 10_000,
        "samples": 0,
    }


def ours(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the method offers for speed, none of which changes the loss."""
    fast = {"gradient_checkpointing": "off"}
    new = {"max_new_tokens": wanted["tokens"] // 2}
    match wanted["method"]:
        case "dpo":
            return fast | {"precompute_reference": True}
        case "grpo":
            return fast | new | {"generations": 4, "rewards": [{"grader": WORD_GRADER}]}
        case "ppo":
            scorer = str(folder / "scorer")
            rollouts = {"rollouts": wanted["rollouts"], "rewards": [{"model": scorer}], "value_model": scorer}
            return fast | new | rollouts
    return fast


def by_trl(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """TRL's trainer by hand, with its defaults."""
    import pyarrow.parquet as pq
    import torch
    import trl
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback, set_seed

    set_seed(0)
    method = wanted["method"]
    times: list[float] = []
    losses: list[float] = []

    class Watching(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
            if logs and "loss" in logs:
                times.append(time.time())
                losses.append(logs["loss"])

    gpu = torch.cuda.is_available()
    arguments: dict[str, Any] = {
        "output_dir": str(folder / f"trl-{method}"),
        "max_steps": wanted["steps"],
        "per_device_train_batch_size": wanted["batch_size"],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "bf16": gpu,
        "gradient_checkpointing": gpu,
        "use_cpu": not gpu,
    }
    name = {"sft": "SFT", "reward": "Reward", "dpo": "DPO", "grpo": "GRPO"}[method]
    more: dict[str, Any] = {}
    if method == "grpo":
        from judges.core.graders.reward import reward_function

        more["reward_funcs"] = reward_function(WORD_GRADER)
        arguments |= {"num_generations": 4, "max_completion_length": wanted["tokens"] // 2}
    else:
        arguments["max_length"] = wanted["tokens"]
    trainer = getattr(trl, f"{name}Trainer")(
        model=str(folder / ("scorer" if method == "reward" else "model")),
        args=getattr(trl, f"{name}Config")(**arguments),
        train_dataset=Dataset(pq.read_table(folder / ROWS[method] / "train.parquet")),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
        callbacks=[Watching()],
        **more,
    )
    trainer.train()
    return summary(times, losses, run_tokens(wanted, folder, []))


def run_tokens(wanted: dict[str, Any], folder: Path, points: list[dict[str, Any]]) -> float:
    """Tokens of a step: of the rows that are trained on, or of prompts and responses."""
    import pyarrow.parquet as pq
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    rows = pq.read_table(folder / ROWS[wanted["method"]] / "train.parquet").to_pylist()
    sides = [name for name in rows[0] if name != "prompt"] or [None]
    lengths = [
        len(
            tokenizer.apply_chat_template([*row["prompt"], *(row[side] if side else [])], return_dict=True)[
                "input_ids"
            ]
        )
        for row in rows
        for side in sides
    ]
    mean = sum(lengths) / len(rows)
    if wanted["method"] == "ppo":
        response = sum(point["values"]["length"] for point in points) / max(1, len(points))
        return wanted["rollouts"] * (mean + response)
    if wanted["method"] == "grpo":
        return wanted["batch_size"] * (mean + wanted["tokens"] // 2)
    return wanted["batch_size"] * mean


def summary(times: list[float], losses: list[float], tokens: float) -> dict[str, Any]:
    import torch

    steps = len(times) - 1 - WARM_UP
    seconds = (times[-1] - times[WARM_UP]) / steps
    peak = (
        torch.cuda.max_memory_allocated() / 1e9
        if torch.cuda.is_available()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    )
    return {
        "tokens_per_second": tokens / seconds,
        "seconds_per_step": seconds,
        "peak_gb": peak,
        "losses": losses,
    }


def main(wanted: dict[str, Any]) -> None:
    folder = Path(wanted["folder"])
    measure = by_runner if wanted["who"] == "ours" else by_trl
    found = measure(wanted, folder)
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
