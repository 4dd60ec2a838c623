"""A reward model: preference pairs in, a model with numbers as output out (on `trl.RewardTrainer`).

    loss = Σ_heads mean_w[ −|s| · log σ(sign(s) · (r(chosen) − r(rejected)) − margin) ]
         + c · mean((r(chosen) + r(rejected))²)

The second term is eq. 2 of arXiv 2312.09244. Starts from a language model with new heads, or from a reward model. The
overall head has s = 1, and the row's margin where `use_margins` asks for it. Each of `objectives` names a column s of
its own head: positive where the chosen response is better on that criterion, negative where the rejected one is, null
where nobody knows. Each member of an `ensemble` has heads of its own, that see a row as often as Poisson(1) says
(arXiv 1602.04621). w is the row's weight where `use_weights` asks for it. Held-out accuracy is the share of test
pairs whose chosen response scores higher, a tie counting half, with an interval that resamples prompts.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import logsigmoid
from transformers import set_seed
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from alignment.statistics.intervals import Resampling, cluster_share
from trainer.runner.execution import Run
from trainer.runner.failures import RunnerError
from trainer.runner.loading import load_scorer, load_tokenizer, lora_config
from trainer.runner.reward_heads import Heads, head_scores
from trainer.runner.rows import TrainingRows, batches, load_training_rows
from trainer.runner.training import callbacks, carry_out, report_training_start, training_arguments

OPTIONAL = ("margin", "weight")
_MEMBERS = "members"  # how often each member of the ensemble sees a row
_STRENGTHS = "strengths"  # s of each head


def execute(run: Run) -> dict[str, Any]:
    """Train on preference rows; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    parameters = run.spec.parameters
    heads = Heads(parameters["ensemble"], tuple(parameters["objectives"]))
    rows = load_training_rows(
        run,
        tokenizer,
        [("prompt", "chosen", "rejected")],
        optional=tuple(name for name in OPTIONAL if parameters[f"use_{name}s"]),
        gaps=heads.criteria,
    )
    for name in OPTIONAL:
        if parameters[f"use_{name}s"] and name not in rows.columns["used"]:
            raise RunnerError(f"use_{name}s needs a {name} in every row: add the column, or set it to false.")
    report_training_start(run, rows)
    set_seed(run.spec.seed)  # the heads start at random
    model = load_scorer(run, run.spec.model, tokenizer, heads=heads.count)
    model.config.num_labels = 1  # TRL takes no other; the heads are ours
    trainer = HeadsTrainer(
        model=model,
        args=RewardConfig(
            **training_arguments(run, rows),
            center_rewards_coefficient=parameters["center_coefficient"] or None,
        ),
        data_collator=_Collator(tokenizer.pad_token_id),
        train_dataset=_with_shares(rows.train, heads, run.spec.seed),
        eval_dataset=None if rows.test is None else _with_shares(rows.test, heads, None),
        processing_class=tokenizer,
        peft_config=lora_config(run, "SEQ_CLS"),
        callbacks=callbacks(run, model, tokenizer, rows, answers=False),
    )
    heads.note(model)
    trainer.heads = heads
    return carry_out(run, trainer, tokenizer, rows, lambda: _held_out(run, trainer, rows))


class HeadsTrainer(RewardTrainer):  # type: ignore[misc]  # trl is not typed here
    """TRL's trainer with the loss above; with one head and no weights it is TRL's own."""

    heads = Heads()

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["chosen_ids", "rejected_ids", "margin", "weight", _MEMBERS, _STRENGTHS]

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        asked = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        outputs = model(**asked, use_cache=False)
        chosen_bmh, rejected_bmh = self.heads.split(outputs.logits).float().chunk(2)
        loss = pair_loss(chosen_bmh - rejected_bmh, inputs)
        if self.args.center_rewards_coefficient is not None:
            loss = loss + self.args.center_rewards_coefficient * (chosen_bmh + rejected_bmh).square().mean()
        self._note(chosen_bmh.detach(), rejected_bmh.detach(), inputs)
        return (loss, outputs) if return_outputs else loss

    def _note(self, chosen_bmh: Tensor, rejected_bmh: Tensor, inputs: dict[str, Any]) -> None:
        """TRL's own figures, of the overall score."""
        mode = "train" if self.model.training else "eval"
        chosen_b, rejected_b = chosen_bmh[..., 0].mean(dim=1), rejected_bmh[..., 0].mean(dim=1)
        rewards = self.accelerator.gather(torch.cat([chosen_b, rejected_b]))
        correct, margin, tokens = (
            self.accelerator.gather_for_metrics(each)
            for each in (
                (chosen_b > rejected_b).float().mean(),
                (chosen_b - rejected_b).mean(),
                inputs["attention_mask"].sum(),
            )
        )
        if mode == "train":
            self._total_train_tokens += int(tokens.sum())
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
        for name, value in {
            "min_reward": rewards.min(),
            "mean_reward": rewards.mean(),
            "max_reward": rewards.max(),
            "accuracy": correct.mean(),
            "margin": margin.mean(),
        }.items():
            self._metrics[mode][name].append(float(value))


def pair_loss(difference_bmh: Tensor, inputs: dict[str, Any]) -> Tensor:
    """The first term of the loss, over (rows, members, heads) of r(chosen) − r(rejected)."""
    strength_bh = inputs[_STRENGTHS]
    known_bh = ~strength_bh.isnan()
    strength_bh = strength_bh.nan_to_num()
    margin_bh = torch.zeros_like(strength_bh)
    if "margin" in inputs:
        margin_bh[:, 0] = inputs["margin"]
    share_bmh = inputs[_MEMBERS][:, :, None] * known_bh[:, None]
    if "weight" in inputs:
        share_bmh = share_bmh * inputs["weight"][:, None, None]
    loss_bmh = -logsigmoid(strength_bh.sign()[:, None] * difference_bmh - margin_bh[:, None])
    weighed_mh = (loss_bmh * strength_bh.abs()[:, None] * share_bmh).sum(dim=0)
    return (weighed_mh / share_bmh.sum(dim=0).clamp(min=1e-8)).mean(dim=0).sum()


class _Collator(DataCollatorForPreference):  # type: ignore[misc]  # trl is not typed here
    """Pads, and brings the rows' numbers along."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        for name in ("weight", _MEMBERS, _STRENGTHS):
            if name in examples[0]:
                batch[name] = torch.tensor([each[name] for each in examples], dtype=torch.float)
        return batch


def _with_shares(rows: Dataset, heads: Heads, seed: int | None) -> Dataset:
    """Each head's s, and how often each member sees a row: once without a seed, or where there is one member."""
    counts = np.ones((len(rows), heads.members))
    if seed is not None and heads.members > 1:
        counts = np.random.default_rng([seed, len(rows)]).poisson(1.0, counts.shape).astype(float)
    columns = [[1.0] * len(rows), *(rows[name] for name in heads.criteria)]
    strengths = [[float("nan") if s is None else float(s) for s in row] for row in zip(*columns, strict=True)]
    return (
        rows.remove_columns(list(heads.criteria))
        .add_column(_MEMBERS, counts.tolist())
        .add_column(_STRENGTHS, strengths)
    )


def _held_out(run: Run, trainer: RewardTrainer, rows: TrainingRows) -> dict[str, Any]:
    """Share of test pairs ranked as labelled, over all rows at once: TRL's own figure averages batches.

    With it the same for each criterion, over the pairs that differ on it, and the ensemble's mean spread.
    """
    if rows.test is None:
        return {"accuracy": None}
    model = trainer.accelerator.unwrap_model(trainer.model).eval()
    differences: list[list[float]] = []
    spreads: list[float] = []
    for chunk in batches(rows.test, run.spec.parameters["batch_size"]):
        run.check_stop()
        pairs = [[*row["prompt"], *row[side]] for side in ("chosen", "rejected") for row in chunk]
        scores = head_scores(model, trainer.processing_class, pairs)
        for better, worse in zip(scores[: len(chunk)], scores[len(chunk) :], strict=True):
            differences.append(
                [better.overall - worse.overall]
                + [better.criteria[name] - worse.criteria[name] for name in better.criteria]
            )
            spreads += [better.uncertainty, worse.uncertainty]
    found = np.array(differences)
    _, prompt_of = np.unique(
        [json.dumps(prompt, sort_keys=True) for prompt in rows.test["prompt"]], return_inverse=True
    )
    resampling = Resampling(seed=run.spec.seed)
    result: dict[str, Any] = {"accuracy": _share(found[:, 0], prompt_of, resampling)}
    for index, name in enumerate(run.spec.parameters["objectives"], start=1):
        wanted = np.array([np.nan if s is None else float(s) for s in rows.test[name]])
        told = ~np.isnan(wanted) & (wanted != 0)
        signed = found[told, index] * np.sign(wanted[told])
        shares = _share(signed, prompt_of[told], resampling) if told.any() else None
        result.setdefault("criteria", {})[name] = shares
    if run.spec.parameters["ensemble"] > 1:
        result["uncertainty"] = float(np.mean(spreads))
    return result


def _share(differences: np.ndarray, prompt_of: np.ndarray, resampling: Resampling) -> dict[str, Any]:
    correct = np.sign(differences) / 2 + 0.5
    return dict(cluster_share(correct, prompt_of, resampling=resampling).as_json())
