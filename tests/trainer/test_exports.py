"""Commands for other engines: made from the spec, in words a shell and their own files can read."""

import json
import shlex

import pytest
import yaml

from alignment.formats.registry import WRITERS
from trainer.exports import exports_of
from trainer.spec import RunSpec

ENGINES = {
    "dpo": ["Unsloth", "LLaMA-Factory", "OpenRLHF", "AutoTrain"],
    "reward": ["LLaMA-Factory", "OpenRLHF", "AutoTrain"],
    "kto": [],
    "orpo": ["AutoTrain"],
    "grpo": ["verl"],
    "sft": ["LitGPT"],
}
BASE = "/models/it's a base"


def made(method: str, **parameters):
    given = RunSpec(method=method, model="m", dataset="d", parameters=parameters).parameters
    return {each.engine: each for each in exports_of(method, BASE, given, 7)}


@pytest.mark.parametrize("method", ENGINES)
def test_each_engine_that_can_train_a_method_has_a_command(method):
    rewards = {"rewards": [{"model": "/rm"}]} if method == "grpo" else {}
    found = made(method, **rewards)

    assert list(found) == ENGINES[method]
    for export in found.values():
        assert export.data[0] in WRITERS
        assert len(shlex.split(export.command)) > 1


def test_the_settings_of_the_spec_arrive():
    found = made("dpo", beta=0.05, learning_rate=3e-6, lora_r=8, max_steps=120)

    settings = yaml.safe_load(found["LLaMA-Factory"].files["run.yaml"])
    assert (settings["model_name_or_path"], settings["stage"], settings["pref_beta"]) == (BASE, "dpo", 0.05)
    assert (settings["lora_rank"], settings["max_steps"], settings["seed"]) == (8, 120, 7)
    described = json.loads(found["LLaMA-Factory"].files["dataset_info.json"])["concord"]
    assert described["ranking"] is True
    words = shlex.split(found["OpenRLHF"].command)
    assert words[words.index("--pretrain") + 1] == BASE
    assert words[words.index("--beta") + 1] == "0.05"
    compile(found["Unsloth"].files["unsloth_dpo.py"], "unsloth_dpo.py", "exec")


def test_a_limit_of_steps_that_a_command_does_not_carry_is_said():
    for engine, export in made("dpo", max_steps=120).items():
        carried = "120" in export.command or any("120" in text for text in export.files.values())
        assert ("ends after 120 steps" in str(export.note)) != carried, engine
    assert all("steps" not in str(export.note) for export in made("dpo").values())
