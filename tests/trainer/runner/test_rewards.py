"""What responses are worth: graders, reward models and judges over HTTP, mixed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from alignment.formats.preference import SCHEMA
from tests.fake_api.running import running_api
from tests.trainer.runner.test_methods import read_lines, read_result, turn
from tests.trainer.runner.test_ppo import HAS_E, SETTINGS
from trainer.events import EventWriter
from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_causal_model, load_tokenizer
from trainer.runner.rewards import Mix
from trainer.runner.rows import load_prompts
from trainer.runner.stopping import StopWatch
from trainer.runner.win_rates import load_win_rate
from trainer.spec import RunSpec

NewRun = Callable[..., Any]
LONG = {"type": "length", "name": "long", "input": "{{sample.output_text}}", "least": 60, "slack": 60}


def test_a_missing_grade_counts_nothing_and_none_at_all_stays_missing() -> None:
    mix = Mix({}, [1.0, 2.0])
    nan = float("nan")

    total = mix.total(torch.tensor([[1.0, 2.0], [nan, 2.0], [nan, nan]]))

    assert total[:2].tolist() == [5.0, 4.0]
    assert total[2].isnan()


def test_sources_are_asked_with_the_row_beside_the_response() -> None:
    async def later(prompts: Any, completions: Any, reference: Any, **_: Any) -> list[float | None]:
        return [float(c[0]["content"] == r) for c, r in zip(completions, reference, strict=True)]

    def at_once(prompts: Any, completions: Any, **_: Any) -> list[float | None]:
        return [None, 0.5]

    mix = Mix({"later": later, "at once": at_once}, [1.0, 1.0])

    rewards = mix.rewards(
        [{"prompt": turn("user", "a"), "reference": each} for each in ("x", "z")], ["x", "y"]
    )

    assert rewards[:, 0].tolist() == [1.0, 0.0]
    assert rewards[0, 1].isnan()
    assert rewards[1, 1] == 0.5


@pytest.fixture(scope="module")
def scorer(tiny_model: Path, preferences: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model with a criterion and three members."""
    from trainer.runner.__main__ import main

    folder = tmp_path_factory.mktemp("scorer")
    for split in ("train", "test"):
        rows = pq.read_table(preferences / f"{split}.parquet").to_pylist()
        with_criteria = [row | {"brevity": [-1.0, None][index % 2]} for index, row in enumerate(rows)]
        pq.write_table(pa.Table.from_pylist(with_criteria), folder / f"{split}.parquet")
    parameters = {
        "max_steps": 40,
        "learning_rate": 2e-3,
        "max_length": 128,
        "objectives": ["brevity"],
        "ensemble": 3,
        "use_weights": True,
    }
    spec = RunSpec("reward", str(tiny_model), str(folder), parameters=parameters)
    (folder / "spec.json").write_text(spec.to_json())
    assert main([str(folder / "spec.json")]) == 0
    return folder


def test_a_head_for_each_criterion_learns_its_own_order(scorer: Path) -> None:
    result = json.loads((scorer / "result.json").read_text())

    assert result["accuracy"]["value"] == 1.0
    assert result["criteria"]["brevity"]["value"] == 1.0  # where the overall head says the opposite
    assert result["uncertainty"] > 0


def test_scores_come_with_their_uncertainty_and_criteria(
    new_run: NewRun, scorer: Path, tmp_path: Path
) -> None:
    texts = ["Sorry about that. We will replace it today.", "That is not my concern."]
    rows = [{"prompt": turn("user", "My lamp is late."), "response": text} for text in texts]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    run = new_run("score", scorer / "final", tmp_path / "rows.parquet", max_length=128)

    assert run.here() == 0

    good, bad = read_lines(run.folder / "scores.jsonl")
    assert good["score"] > bad["score"]
    assert good["criteria"]["brevity"] < bad["criteria"]["brevity"]
    assert good["uncertainty"] > 0


def test_a_column_of_a_criterion_must_be_there(new_run: NewRun, tiny_model: Path, preferences: Path) -> None:
    run = new_run("reward", tiny_model, preferences, objectives=["tone"], max_length=128)

    assert run.here() == 1
    assert "no column 'tone' of numbers, which objectives names" in run.events()[-1]["message"]


@pytest.mark.parametrize("method", ["ppo", "grpo", "rloo"])
def test_reward_models_and_graders_are_mixed(
    new_run: NewRun, tiny_model: Path, preferences: Path, scorer: Path, method: str
) -> None:
    rewards = [
        {"model": str(scorer / "final"), "weight": 0.5, "uncertainty_penalty": 1.0},
        {"grader": HAS_E, "weight": 2.0},
    ]
    settings = SETTINGS | {"rewards": rewards, "max_steps": 1, "eval_steps": 1}
    settings["win_rate_by"] = [{"grader": LONG}]
    if method == "ppo":
        settings["value_model"] = str(scorer / "final")
    else:
        settings = {n: v for n, v in settings.items() if n not in ("rollouts", "value_learning_rate")}
        settings["generations"] = 2
    run = new_run(method, tiny_model, preferences, **settings)

    assert run.here() == 0

    name = scorer.name
    values = run.events("metric")[0]["values"]
    assert values["reward"] == pytest.approx(
        0.5 * values[f"reward_{name}"] + 2 * values["reward_has e"], abs=1e-4
    )
    assert run.events("evaluation")[0]["values"]["reward"] is not None
    assert set(run.events("samples")[0]["samples"][0]["rewards"]) == {name, "has e"}
    assert read_result(run)["evaluation"]["reward"] is not None
    (evaluation,) = run.events("evaluation")
    assert 0 <= evaluation["values"]["win_rate"] <= 1


def test_of_the_preference_format_prompts_keep_what_is_theirs_alone(tiny_model: Path, tmp_path: Path) -> None:
    """Two rows of one prompt that differ in all they say of its responses are one prompt."""
    own = {
        "prompt": turn("user", "Hi."),
        "reference": "Hello.",
        "metadata": "{}",
        "prompt_sha256": "1",
        "tags": [],
    }
    number = {
        name: [0.25, 0.75] for name in ("weight", "confidence", "margin", "score_chosen", "score_rejected")
    }
    texts = {"chosen": [turn("assistant", "a"), turn("assistant", "b")], "comparison": ["1", "2"]}
    judgments = {"judgments": [[], [{"submission": "1", "rater": "ana", "kind": "person"}]]}
    said = number | texts | judgments | {"rejected": texts["chosen"]}
    rows = [own | {name: values[at] for name, values in said.items()} for at in (0, 1)]
    assert set(rows[0]) == set(SCHEMA.names)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "rows.parquet")
    spec = RunSpec("ppo", str(tiny_model), "rows.parquet", parameters={"rewards": [{"grader": HAS_E}]})
    with EventWriter(tmp_path / "events.jsonl") as events:
        run = Run(spec, tmp_path, events, StopWatch(tmp_path))

        found = load_prompts(run, load_tokenizer(run))

    assert found.counts["train"] == {"given": 2, "used": 1, "too_long": 0, "repeated": 1}
    assert set(found.columns["used"]) == set(own)


def test_held_out_answers_are_judged_beside_the_base_models(
    tiny_model: Path, preferences: Path, tmp_path: Path
) -> None:
    parameters = {"rewards": [{"grader": HAS_E}], "win_rate_by": [{"grader": LONG}], "eval_steps": 1}
    spec = RunSpec("grpo", str(tiny_model), str(preferences), parameters=parameters | {"max_new_tokens": 8})
    with EventWriter(tmp_path / "events.jsonl") as events:
        run = Run(spec, tmp_path, events, StopWatch(tmp_path))
        tokenizer = load_tokenizer(run)
        win_rate = load_win_rate(run, tokenizer, load_prompts(run, tokenizer).test)
        assert win_rate is not None
        model = load_causal_model(run, tokenizer)

        assert win_rate.of(model, sharded=False) == {"win_rate": 0.5, "win_rate_n": 4, "win_rate_decided": 0}
        model.get_output_embeddings().weight.data.zero_()  # it says its first token only, which shows as nothing
        assert win_rate.of(model, sharded=False) == {"win_rate": 0.0, "win_rate_n": 4, "win_rate_decided": 4}
        with pytest.raises(RunnerError, match="needs the whole model in one process"):
            win_rate.of(model, sharded=True)
        with pytest.raises(RunnerError, match="there are none: add test rows"):
            load_win_rate(run, tokenizer, None)


def test_kto_takes_labelled_rows_and_needs_both_labels(
    new_run: NewRun, tiny_model: Path, tmp_path: Path
) -> None:
    rows = [
        {"prompt": turn("user", "Hi."), "completion": turn("assistant", text), "label": label}
        for text, label in (("Sorry.", True), ("No.", False))
    ] * 4
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "both.parquet")
    pq.write_table(pa.Table.from_pylist(rows[::2]), tmp_path / "one.parquet")
    settings = {"max_steps": 1, "batch_size": 4, "max_length": 64}
    both, one = (new_run("kto", tiny_model, tmp_path / f"{n}.parquet", **settings) for n in ("both", "one"))

    assert both.here() == 0
    assert one.here() == 1
    assert one.events()[-1]["message"].startswith("KTO learns from good and bad responses")


def test_label_smoothing_follows_the_confidences(new_run: NewRun, tiny_model: Path, tmp_path: Path) -> None:
    sides = {"chosen": turn("assistant", "Sorry."), "rejected": turn("assistant", "No.")}
    rows = [
        {"prompt": turn("user", "Hi."), **sides, "confidence": confidence} for confidence in (0.7, 0.9)
    ] * 2
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    settings = {"max_steps": 1, "batch_size": 4, "max_length": 64}
    run = new_run("dpo", tiny_model, tmp_path, smoothing_from_confidence=True, **settings)

    assert run.here() == 0
    assert read_result(run)["label_smoothing"] == pytest.approx(0.2)


def test_packing_learns_the_same(new_run: NewRun, tiny_model: Path, conversations: Path) -> None:
    """The loss of one step over the same rows, side by side or in one sequence: they do not see each other."""
    settings = {"max_steps": 1, "logging_steps": 1, "samples": 0, "max_length": 512}
    plain = new_run("sft", tiny_model, conversations, batch_size=20, **settings)
    packed = new_run("sft", tiny_model, conversations, batch_size=4, packing=True, **settings)

    assert [plain.here(), packed.here()] == [0, 0]

    losses = [run.events("metric")[0]["values"]["loss"] for run in (plain, packed)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_early_stopping_keeps_the_best_model(new_run: NewRun, tiny_model: Path, conversations: Path) -> None:
    """A learning rate that soon destroys the model; however often it is stopped, it counts on."""
    whole, stopped = (
        new_run(
            "sft",
            tiny_model,
            conversations,
            max_steps=20,
            eval_steps=1,
            save_steps=1,
            early_stopping=2,
            learning_rate=0.3,
            scheduler="constant",
            samples=0,
        )
        for _ in range(2)
    )

    assert whole.here() == 0
    losses = {event["step"]: event["values"]["loss"] for event in whole.events("evaluation")}
    best = min(losses, key=lambda step: losses[step])
    assert stopped.here_terminated_after(best + 1) == 143
    assert stopped.here() == 0
    (stopped.folder / "result.json").unlink()  # killed before it could say so
    assert stopped.here() == 0

    for run in (whole, stopped):
        result = read_result(run)
        assert result["steps"] == best < 18
        assert result["evaluation"]["loss"] == pytest.approx(losses[best])
        assert max(event["step"] for event in run.events("evaluation")) == best + 2
    finals = [load_file(run.folder / "final" / "model.safetensors") for run in (whole, stopped)]
    assert all(torch.equal(finals[0][layer], finals[1][layer]) for layer in finals[0])


@pytest.mark.parametrize("method", ["ppo", "grpo"])
def test_a_run_stops_on_a_win_rate_that_no_longer_rises(
    new_run: NewRun, tiny_model: Path, preferences: Path, method: str
) -> None:
    """Nobody's answer has what the judge looks for, so that every evaluation is a tie, whatever the reward does."""
    never = {**HAS_E, "reference": "no such text"}
    stopping = {"early_stopping": 2, "early_stopping_metric": "win_rate", "eval_steps": 1, "save_steps": 1}
    settings = SETTINGS | stopping | {"win_rate_by": [{"grader": never}], "max_steps": 9}
    if method == "grpo":
        settings = {n: v for n, v in settings.items() if n not in ("rollouts", "value_learning_rate")}
        settings["generations"] = 2
    run = new_run(method, tiny_model, preferences, **settings)

    assert run.here() == 0

    assert [event["step"] for event in run.events("metric")] == [1, 2, 3]
    assert [event["values"]["win_rate"] for event in run.events("evaluation")][:3] == [0.5] * 3
    assert read_result(run)["steps"] == 1


@pytest.mark.parametrize("method", ["sft", "ppo"])
def test_early_stopping_wants_held_out_rows(
    new_run: NewRun, tiny_model: Path, conversations: Path, method: str
) -> None:
    stopping = {"early_stopping": 1, "eval_steps": 1, "save_steps": 1}
    settings = SETTINGS if method == "ppo" else {}
    run = new_run(method, tiny_model, conversations / "train.parquet", **settings | stopping)

    assert run.here() == 1
    assert run.events()[-1]["message"].startswith("early_stopping looks at held-out rows, and there are none")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"quantize": "nf4", "lora_r": 4}, "quantize nf4 needs a GPU and the package bitsandbytes"),
        ({"use_kernels": True}, "use_kernels needs a GPU and the package kernels"),
        ({"report_to": "wandb"}, "report_to names wandb, which is not installed here"),
        ({"frozen_layers": 9}, "frozen_layers is 9, and the model has 2 layers"),
    ],
)
def test_what_this_machine_lacks_is_said(
    new_run: NewRun, tiny_model: Path, conversations: Path, given: dict[str, Any], said: str
) -> None:
    run = new_run("sft", tiny_model, conversations, **given)

    assert run.here() == 1
    assert run.events()[-1]["message"].startswith(said)


def test_a_judge_over_http_is_asked_about_all_responses_at_once(
    new_run: NewRun, tiny_model: Path, preferences: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    judge = {
        "type": "score_model",
        "name": "judge",
        "model": "gpt-5.6-luna",
        "range": [0, 10],
        "input": [{"role": "user", "content": "Response A:\n[[quality 7.0]] {{sample.output_text}}"}],
    }
    with running_api() as api:
        api.set(together=8)  # the first answer waits for the eighth question
        models = {"provider": "openai", "settings": {"base_url": api.openai_url}}
        rewards = [{"grader": judge, "settings": {"models": models}}]
        run = new_run("ppo", tiny_model, preferences, **SETTINGS | {"rewards": rewards, "max_steps": 1})

        assert run.here() == 0
        assert api.state()["most_in_flight"] == 8

    values = run.events("metric")[0]["values"]
    assert values["reward"] == pytest.approx(7)
    assert values["ungraded_share"] == 0
