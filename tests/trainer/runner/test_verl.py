"""A run that verl trains, with a small program in verl's place that keeps what its package says of itself.

verl needs cards and was not run. What the stand-in is given is held against verl's own names (engine_options.json).
"""

import asyncio
import json
import math
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from tests.trainer.conftest import ROOT
from trainer import verl
from trainer.events import EventWriter, read_events
from trainer.runner.execution import CANCELLED, FAILED, FINISHED, Run, execute
from trainer.runner.failures import RunnerError
from trainer.runner.stopping import StopWatch
from trainer.runner.verl import Following, held_out_reward, metric_values, train
from trainer.runner.verl_reward import NoGrade, compute_score
from trainer.spec import RunSpec

STAND_INS = Path(__file__).parents[1] / "stand_ins"
YES = {
    "type": "string_check",
    "name": "yes",
    "input": "{{sample.output_text}}",
    "reference": "yes",
    "operation": "eq",
}
FAST = {"max_steps": 5, "save_steps": 2, "batch_size": 4, "rollouts": 4, "scheduler": "constant", "eval_steps": 5,
        "max_length": 128, "max_new_tokens": 16, "rewards": [{"grader": YES, "weight": 2.0}]}  # fmt: skip


def run(folder: Path, *settings: str) -> int:
    """As `python -m trainer.runner.verl 2 1 SPEC.json` does it, in this process, which has torch already."""
    return execute(folder / "spec.json", partial(train, cards=2, nodes=1, more=list(settings)))


@pytest.fixture
def folder(tmp_path, tiny_model, preferences, monkeypatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{STAND_INS}")
    spec = RunSpec(method="ppo", model=str(tiny_model), dataset=str(preferences), parameters=FAST)
    (tmp_path / "spec.json").write_text(spec.to_json())
    return tmp_path


def events_of(folder: Path, kind: str) -> list[dict]:
    return [event for event in read_events(folder / "events.jsonl")[0] if event["kind"] == kind]


@pytest.mark.training
def test_verl_is_started_followed_stopped_and_goes_on(folder):
    def stop() -> None:
        while not (folder / "checkpoint-2").exists():
            time.sleep(0.01)
        (folder / "CANCEL").touch()

    stopping = Thread(target=stop, daemon=True)
    stopping.start()
    assert run(folder, "trainer.esi_redundant_time=1") == CANCELLED  # by the stand-in a pause in each step
    stopping.join()
    (cancelled,) = events_of(folder, "cancelled")
    assert cancelled["checkpoint"].endswith("checkpoint-2")

    assert run(folder) == FINISHED

    given = json.loads((folder / "verl" / "given.json").read_text())
    assert (given["data.train_batch_size"], given["algorithm.adv_estimator"]) == (
        "8",
        "gae",
    )  # 4 on each card
    assert given["trainer.total_epochs"] == "3"
    result = json.loads((folder / "result.json").read_text())
    assert (result["model"], result["steps"], result["evaluation"]) == ("final", 5, {"reward": 0.75})
    assert result["rows"]["train"]["used"] == 21
    assert (folder / "final" / "model.safetensors").read_text() == "5"
    metrics = events_of(folder, "metric")
    assert {event["step"] for event in metrics} == {1, 2, 3, 4, 5}
    values = metrics[0]["values"]
    assert (values["reward"], values["ended_share"], values["kl"]) == (2.0, 0.75, pytest.approx(0.2))
    assert [event["resumed_step"] for event in events_of(folder, "started")] == [0, 2]


def logged(folder: Path, step: int, **data: float) -> None:
    """A step as verl leaves it: saved, and then logged."""
    (folder / f"global_step_{step}" / "actor").mkdir(parents=True, exist_ok=True)
    (folder / "latest_checkpointed_iteration.txt").write_text(str(step))
    with (folder / "metrics.jsonl").open("a") as log:
        if data:
            log.write(json.dumps({"step": step, "data": data}) + "\n")


@pytest.mark.parametrize("name", ["actor/loss", "actor/pg_loss", "critic/vf_loss"])
def test_weights_gone_wrong_fail_the_run_and_never_become_a_checkpoint(folder, name):
    verls = folder / "verl"
    verls.mkdir()
    spec = RunSpec.from_json((folder / "spec.json").read_text())
    with EventWriter(folder / "events.jsonl") as events:
        following = Following(Run(spec, folder, events, StopWatch(folder)), verls, steps=5, an_epoch=2.0)
        logged(verls, 2, **{name: 0.5})
        following.look()
        logged(verls, 4)
        following.look()  # it is not known yet what became of that step
        logged(verls, 4, **{name: math.nan})
        with pytest.raises(RunnerError, match="The loss became nan at step 4"):
            following.look()

    assert [event["step"] for event in events_of(folder, "checkpoint")] == [2]
    assert (verls / "latest_checkpointed_iteration.txt").read_text() == "2"


@pytest.mark.training
def test_a_run_that_was_stopped_before_its_merge_keeps_its_evaluation(folder):
    assert run(folder) == FINISHED
    (folder / "result.json").unlink()
    shutil.rmtree(folder / "final")

    assert run(folder) == FINISHED

    assert [event["resumed_step"] for event in events_of(folder, "started")] == [0, 5]
    assert json.loads((folder / "result.json").read_text())["evaluation"] == {"reward": 0.75}


@pytest.mark.training
def test_what_verl_does_not_do_is_refused_before_it_starts(folder):
    spec = json.loads((folder / "spec.json").read_text())
    spec["parameters"] |= {"kl_target": 6.0}
    (folder / "spec.json").write_text(json.dumps(spec))

    assert run(folder) == FAILED

    assert "parameters.kl_target is nothing that verl does" in events_of(folder, "failed")[0]["message"]


def test_a_word_that_verl_does_not_know_ends_the_stand_in():
    """So that the test above can fail."""
    done = subprocess.run(
        [sys.executable, "-m", "verl.trainer.main_ppo", "trainer.wrong=1"],
        cwd=STAND_INS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "trainer.wrong" in done.stderr


def given(method: str, **parameters) -> dict:
    rewards = {"rewards": [{"model": "/rm"}], "scheduler": "cosine"}
    return dict(RunSpec(method=method, model="m", dataset="d", parameters=rewards | parameters).parameters)


@pytest.mark.parametrize(
    ("method", "parameters", "named"),
    [
        ("ppo", {}, []),
        ("grpo", {"beta": 0.1, "loss_type": "grpo"}, []),
        ("rloo", {"normalize_advantages": True}, ["normalize_advantages"]),
        ("grpo", {"scheduler": "linear", "scale_rewards": "batch"}, ["scheduler", "scale_rewards"]),
        ("grpo", {"loss_type": "dr_grpo"}, ["loss_type"]),
        ("ppo", {"value_clip": 0.0, "lora_r": 8}, ["lora_r", "value_clip"]),
        ("ppo", {"precision": "float32"}, ["precision"]),
        ("ppo", {"rewards": [{"model": "/rm"}, {"grader": YES}]}, ["rewards"]),
        ("ppo", {"rewards": [{"model": "/rm", "weight": 0.5}]}, ["rewards"]),
        ("ppo", {"rewards": [{"grader": YES, "weight": 0.5}, {"grader": YES}]}, []),
    ],
)
def test_what_verl_does_not_do_is_named(method, parameters, named):
    assert sorted(each.split()[0] for each in verl.not_taken(method, given(method, **parameters))) == sorted(
        named
    )


@pytest.mark.parametrize(("labels", "heads"), [(1, 1), (4, 4), (None, 2)])
def test_verl_reads_one_head_of_a_reward_model(tmp_path, labels, heads):
    """Without names of labels transformers makes two."""
    names = {"id2label": {str(label): f"LABEL_{label}" for label in range(labels)}} if labels else {}
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["LlamaForSequenceClassification"]} | names)
    )

    refused = verl.not_taken("grpo", given("grpo", rewards=[{"model": str(tmp_path)}]))

    said = f"rewards name a reward model with {heads} heads, and verl reads one; train one with one"
    assert refused == ([said] if heads > 1 else [])


def test_the_critic_learns_by_the_same_schedule_and_clip():
    parameters = given("ppo", scheduler="cosine", max_grad_norm=0.3, warmup_steps=7)
    found = verl.settings("ppo", "m", parameters, 0, cards=1, nodes=1)
    for name in ("optim.lr_scheduler_type", "optim.clip_grad", "grad_clip", "optim.lr_warmup_steps"):
        assert found[f"critic.{name}"] == found[f"actor_rollout_ref.actor.{name}"]
    assert (found["critic.grad_clip"], found["critic.optim.lr_scheduler_type"]) == (0.3, "cosine")


def test_batches_are_prompts_of_all_cards_and_passes_hold_the_steps():
    settings = verl.settings("grpo", "m", given("grpo", gradient_accumulation=4), 0, cards=8, nodes=2)
    assert settings["data.train_batch_size"] == 8 * 4 // 8 * 16
    assert verl.schedule({"max_steps": 0, "epochs": 1.5}, prompts=100, batch=30) == (4, 2)
    assert verl.schedule({"max_steps": 7, "epochs": 1.0}, prompts=100, batch=30) == (7, 3)
    assert verl.schedule({"max_steps": 7, "epochs": 1.0}, prompts=10, batch=30) == (0, 0)
    assert verl.words({"a": True, "b": ["x", "y"], "c": "/it's", "d": 1e-6}) == [
        "a=True", "b=[x,y]", "c='/it\\'s'", "d=1e-06",
    ]  # fmt: skip


def test_a_line_of_verls_has_our_names():
    line = {"actor/kl_loss": 0.02, "response_length/mean": 30.0, "actor/lr": 1e-6, "perf/mfu/actor": 0.4}
    assert metric_values(line, in_all=False) == {"kl": 0.02, "length": 30.0, "learning_rate": 1e-6}
    assert metric_values(line, in_all=True)["kl"] == pytest.approx(0.6)
    assert held_out_reward({"val-aux/concord/acc/std@1": 1.0}) is None


def test_a_grade_that_is_missing_is_no_0(tmp_path):
    nothing = YES | {"input": "{{item.nothing}}"}
    for graders, expected in [([YES], 1.0), ([YES, nothing], 1.0), ([nothing], None)]:
        spec = tmp_path / f"{len(graders)}-{expected}.json"
        parameters = given("grpo", rewards=[{"grader": grader} for grader in graders])
        spec.write_text(RunSpec(method="grpo", model="m", dataset="d", parameters=parameters).to_json())
        asked = {"solution_str": "yes", "extra_info": {"item": '{"prompt": []}'}, "spec": str(spec)}
        if expected is None:
            with pytest.raises(NoGrade):
                asyncio.run(compute_score(**asked))
        else:
            assert asyncio.run(compute_score(**asked)) == expected
