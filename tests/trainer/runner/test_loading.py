"""Where a model's weights may come from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

NewRun = Callable[..., Any]
Publish = Callable[[str, Path], str]


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    """A folder of an adapter on the tiny model that changes what it says."""
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_model), LoraConfig(target_modules="all-linear")
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.3)
    model.save_pretrained(tmp_path / "adapter")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "adapter")
    shutil.copy(
        tiny_model / "config.json", tmp_path / "adapter"
    )  # of the hub, its tokenizer is not loaded without
    return tmp_path / "adapter"


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Lay a folder into the hub's local cache, by the name it has there."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))

    def lay(name: str, folder: Path) -> str:
        repository = cache / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0" * 40)
        return name

    return lay


def name_base(adapter: Path, base: Path | str) -> Path:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}))
    return adapter


def answers(new_run: NewRun, model: Path | str, rows: Path) -> list[str]:
    run = new_run("generate", model, rows, max_new_tokens=6, temperature=0.0)
    assert run.here() == 0, run.events()[-1]
    return [json.loads(line)["text"] for line in (run.folder / "responses.jsonl").read_text().splitlines()]


def test_an_adapter_of_the_hub_is_merged_into_its_base_of_the_hub(
    new_run: NewRun, adapter: Path, tiny_model: Path, conversations: Path, publish: Publish
) -> None:
    here = answers(new_run, adapter, conversations)
    base = publish("lab/base", tiny_model)
    named = publish("lab/adapter", name_base(adapter, base))

    assert answers(new_run, named, conversations) == here
    assert answers(new_run, base, conversations) != here


@pytest.mark.parametrize("through", ["the spec", "a reward", "an adapter of ours"])
def test_an_adapter_of_the_hub_reaches_no_folder_of_the_machine(
    new_run: NewRun, adapter: Path, tiny_model: Path, preferences: Path, publish: Publish, through: str
) -> None:
    """Its base may be written by anybody, and another project's model is a folder here."""
    named = publish("lab/adapter", name_base(adapter, tiny_model))
    model: Path | str = tiny_model
    rewards: list[dict[str, Any]] = [{"model": named}]
    if through != "a reward":
        model = named if through == "the spec" else name_base(adapter, named)
        rewards = [{"grader": {"type": "length", "name": "n", "input": "{{sample.output_text}}", "most": 1}}]
    run = new_run("ppo", model, preferences, rewards=rewards, max_new_tokens=4, max_length=64)

    assert run.here() == 1
    message = run.events("failed")[0]["message"]
    assert f"The adapter lab/adapter names the base {tiny_model}, and must name it as the hub does" in message


def test_a_base_that_is_the_adapter_itself_or_a_path_from_somewhere_is_refused(
    new_run: NewRun, adapter: Path, preferences: Path
) -> None:
    for base, said in ((adapter, "is its own base"), ("../tiny", "must name it as the hub does")):
        run = new_run("sft", name_base(adapter, base), preferences)
        assert run.here() == 1
        assert said in run.events("failed")[0]["message"]


@pytest.mark.parametrize("named", ["../../12/final/model.safetensors", "/srv/model.safetensors"])
def test_an_index_that_names_weights_outside_of_its_folder_is_refused(
    new_run: NewRun, tiny_model: Path, preferences: Path, tmp_path: Path, named: str
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "sharded"))
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"lm_head.weight": named}}))
    run = new_run("sft", model, preferences)
    assert run.here() == 1
    assert "names weights outside of its folder" in run.events("failed")[0]["message"]


def test_an_adapter_that_is_none_of_lora_is_refused(
    new_run: NewRun, adapter: Path, preferences: Path
) -> None:
    """Other kinds name folders of their own, which peft would follow."""
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"peft_type": "XLORA"}))
    run = new_run("sft", adapter, preferences)
    assert run.here() == 1
    assert "is none of LoRA" in run.events("failed")[0]["message"]
