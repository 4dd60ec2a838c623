"""Commands for other engines: made from the spec, in words a shell, their own files and their own parsers can read."""

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alignment.formats.registry import WRITERS
from trainer import verl
from trainer.exports import HELD_AGAINST, exports_of
from trainer.spec import RunSpec

# The names that each package's own parser or configuration has, read out of it: {engine: {version, source, options}}.
OPTIONS = json.loads((Path(__file__).parent / "engine_options.json").read_text())
ENGINES = {
    "dpo": ["Unsloth", "LLaMA-Factory", "OpenRLHF", "AutoTrain"],
    "reward": ["LLaMA-Factory", "OpenRLHF", "AutoTrain"],
    "kto": [],
    "orpo": ["AutoTrain"],
    "grpo": ["verl"],
    "rloo": ["verl"],
    "ppo": ["verl"],
    "sft": ["LitGPT"],
}
BASE = "/models/it's a base"


def made(method: str, **parameters):
    rewards = {"rewards": [{"model": "/rm"}]} if method in verl.METHODS else {}
    given = RunSpec(method=method, model="m", dataset="d", parameters=rewards | parameters).parameters
    return {each.engine: each for each in exports_of(method, BASE, given, 7)}


def options_of(export) -> tuple[str, list[str]]:
    """The entry of the table that a command is held against, and the names that it gives."""
    words = shlex.split(export.command)
    flags = [word for word in words if word.startswith("--")]
    if export.engine == "OpenRLHF":
        return f"OpenRLHF {words[2].rpartition('.')[2]}", flags[1:]  # --module is deepspeed's
    if export.engine == "LitGPT":
        return f"LitGPT {words[1]}", flags
    if export.engine == "LLaMA-Factory":
        return export.engine, list(yaml.safe_load(export.files["run.yaml"]))
    if export.engine == "verl":
        return export.engine, [word.partition("=")[0] for word in words[3:]]
    return export.engine, flags


@pytest.mark.parametrize("lora_r", [0, 8])
@pytest.mark.parametrize("method", ENGINES)
def test_every_engine_has_a_command_whose_options_its_package_knows(method, lora_r):
    found = made(method, lora_r=lora_r, max_steps=9)

    assert list(found) == ENGINES[method]
    for export in found.values():
        name, ending = export.data
        assert ending == ".jsonl" or WRITERS[name].schema is not None  # what the page links to
        assert len(shlex.split(export.command)) > 1
        if export.engine == "Unsloth":  # a script, whose names are TRL's
            continue
        entry, names = options_of(export)
        assert OPTIONS[entry]["version"] == HELD_AGAINST[export.engine]
        assert set(names) <= set(OPTIONS[entry]["options"])


def test_the_settings_of_the_spec_arrive():
    found = made("dpo", beta=0.05, learning_rate=3e-6, lora_r=8, max_steps=120)

    settings = yaml.safe_load(found["LLaMA-Factory"].files["run.yaml"])
    assert (settings["model_name_or_path"], settings["stage"], settings["pref_beta"]) == (BASE, "dpo", 0.05)
    assert (settings["lora_rank"], settings["max_steps"], settings["seed"]) == (8, 120, 7)
    described = json.loads(found["LLaMA-Factory"].files["dataset_info.json"])[settings["dataset"]]
    assert described["ranking"] is True
    # Of its rows a side is one message and no list, else its converter leaves each of them out.
    assert found["LLaMA-Factory"].data[0] == "llama-factory"
    assert described["columns"]["messages"] in WRITERS["llama-factory"].schema.names
    for engine, option, value in [
        ("OpenRLHF", "--model.model_name_or_path", BASE),
        ("OpenRLHF", "--model.beta", "0.05"),
        ("AutoTrain", "--dpo-beta", "0.05"),
    ]:
        words = shlex.split(found[engine].command)
        assert words[words.index(option) + 1] == value
    compile(found["Unsloth"].files["unsloth_dpo.py"], "unsloth_dpo.py", "exec")


def test_autotrain_is_given_whole_conversations_out_of_which_it_takes_the_prompt(tmp_path):
    export = made("dpo")["AutoTrain"]
    user, good, bad = ({"role": role, "content": text} for role, text in ["ua", "ab", "ac"])
    (tmp_path / "train.jsonl").write_text(json.dumps({"prompt": [user], "chosen": [good], "rejected": [bad]}))
    ((script, text),) = export.files.items()

    subprocess.run([sys.executable, "-c", text], cwd=tmp_path, check=True)

    assert export.command.startswith(f"python {script} && autotrain ")
    row = json.loads((tmp_path / "rows" / "train.jsonl").read_text())
    assert (row["chosen"], row["rejected"]) == ([user, good], [user, bad])


def test_a_limit_of_steps_that_a_command_does_not_carry_is_said():
    for engine, export in made("dpo", max_steps=120).items():
        carried = "120" in export.command or any("120" in text for text in export.files.values())
        assert ("ends after 120 steps" in str(export.note)) != carried, engine
    assert all("steps" not in str(export.note) for export in made("dpo").values())


def test_what_verl_does_not_do_is_named():
    note = str(made("ppo", kl_target=6.0, scheduler="cosine")["verl"].note)

    assert "Not carried over: kl_target." in note
    assert "Not carried over" not in str(made("ppo", scheduler="cosine")["verl"].note)
    words = shlex.split(made("ppo", rollouts=16, minibatches=2, scheduler="cosine")["verl"].command)
    settings = dict(word.split("=", 1) for word in words[3:])
    assert ast.literal_eval(settings["actor_rollout_ref.model.path"]) == BASE
    assert settings["data.train_batch_size"] == "128"  # 16 on each of eight cards
    assert settings["actor_rollout_ref.actor.ppo_mini_batch_size"] == "64"
