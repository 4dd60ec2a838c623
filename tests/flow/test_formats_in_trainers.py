"""Every training format in the code of those who read it: `datasets`, and TRL's trainers on a tiny model."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from alignment.formats.preference import answer
from alignment.formats.registry import WRITERS
from alignment.formats.target import write_rows

pytestmark = pytest.mark.training

# Each trainer prepares its data when it is made, and then takes one step of it.
PROGRAM = """
import json, sys
from pathlib import Path
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import (DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer,
                 SFTConfig, SFTTrainer)
from deploy.demo.tiny_model import build_tiny_model

folder = Path(sys.argv[1])
model = folder / "model"
build_tiny_model(model, json.loads((folder / "texts.json").read_text()), hidden=16, layers=1, vocabulary=300, seed=0)
tokenizer = AutoTokenizer.from_pretrained(model)
common = dict(max_steps=1, per_device_train_batch_size=2, report_to=[], bf16=False, gradient_checkpointing=False,
              use_cpu=True, save_strategy="no", disable_tqdm=True, logging_steps=1)

def rows(name, ending):
    kind = "parquet" if ending == "parquet" else "json"
    file = str(folder / f"{name}.{ending}")
    return load_dataset(kind, data_files=file, split="train", cache_dir=str(folder / "cache"))

def steps(trainer):
    trainer.train()
    loss = trainer.state.log_history[0]["loss"]
    assert loss == loss, "the loss is no number"
    return len(trainer.train_dataset)

def causal():
    return AutoModelForCausalLM.from_pretrained(model)

def reward(prompts, completions, reference, topic, **columns):
    assert set(reference) == {"42"} and set(topic) == {"sums"}
    return [float(len(each[0]["content"])) for each in completions]

def out(name):
    return str(folder / f"out-{name}")

def tuned(name, ending="jsonl"):
    args = SFTConfig(out(name), **common)
    return steps(SFTTrainer(causal(), args, train_dataset=rows(name, ending), processing_class=tokenizer))

found = {name: tuned(name) for name in ("prompt-completion", "openai-chat")}
for ending in ("jsonl", "parquet"):
    found[f"sft {ending}"] = tuned("sft", ending)
    found[f"dpo {ending}"] = steps(DPOTrainer(causal(), args=DPOConfig(out("d"), **common),
                                              train_dataset=rows("preference", ending), processing_class=tokenizer))
scorer = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
trainer = RewardTrainer(scorer, RewardConfig(out("r"), **common), train_dataset=rows("preference", "parquet"),
                        processing_class=tokenizer)
found["reward"] = steps(trainer)
assert "margin" in next(iter(trainer.get_train_dataloader())), "the reward trainer left the margin out"
found["kto"] = steps(KTOTrainer(causal(), args=KTOConfig(out("k"), **common), train_dataset=rows("trl-kto", "jsonl"),
                                processing_class=tokenizer))
args = GRPOConfig(out("g"), num_generations=2, max_completion_length=4, **common)
found["grpo"] = steps(GRPOTrainer(causal(), reward, args=args, train_dataset=rows("prompt-only", "jsonl"),
                                  processing_class=tokenizer))
for name in ("instruction", "openrlhf", "llama-factory"):
    for ending in ("jsonl", "parquet"):
        found[f"{name} {ending}"] = rows(name, ending).num_rows
for name in ("openai-preference", "openai-reinforcement"):
    found[name] = rows(name, "jsonl").num_rows
print(json.dumps(found))
"""


def row(number):
    return {
        "prompt": [{"role": "user", "content": f"What is {number} and one?"}],
        "chosen": answer(f"It is {number + 1}."),
        "rejected": answer("No idea."),
        "weight": 1.0,
        "confidence": 0.9,
        "margin": 0.5,
        "score_chosen": 0.75 if number % 2 else None,
        "score_rejected": None,
        "reference": "42",
        "metadata": '{"topic": "sums"}',
        "comparison": f"q{number}",
        "prompt_sha256": f"{number:064}",
        "tags": [],
        "judgments": [{"submission": "1", "rater": "ana", "kind": "human"}],
    }


def test_trl_and_datasets_take_every_format(tmp_path):
    given = [row(number) for number in range(6)]
    for name, writer in WRITERS.items():
        if writer.source == "snapshot":
            for ending in ("jsonl", "parquet") if writer.schema else ("jsonl",):
                rows = writer.convert(iter(given), Counter())
                write_rows(tmp_path / f"{name}.{ending}", rows, writer.schema)
    texts = [
        message["content"]
        for each in given
        for part in ("prompt", "chosen", "rejected")
        for message in each[part]
    ]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found.values()) == {6, 12}
    assert [name for name, count in found.items() if count == 12] == ["kto"]
