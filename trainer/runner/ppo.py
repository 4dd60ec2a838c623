"""Proximal policy optimisation: prompts and rewards in, a language model out. arXiv 1707.06347, 2203.02155.

A step samples responses, gives each token its reward, and improves policy and value model on them:

    r_t = −β · (log π_old(a_t) − log π₀(a_t))  + [t is last] · score           reward of a token
    δ_t = r_t + γ V(s_t+1) − V(s_t),  A_t = δ_t + γλ A_t+1,  R_t = A_t + V(s_t)    arXiv 1506.02438, eq. 16
    ρ_t = π(a_t) / π_old(a_t)
    L   = mean_t max(−A_t ρ_t, −A_t clip(ρ_t, 1 ± ε))
        + c · mean_t ½ max((V − R_t)², (clip(V, V_old ± ε_v) − R_t)²)  − h · mean_t H(π)

The mean is over all tokens of a minibatch on all devices, so that accumulating small batches equals one big batch.
A response ends the episode, cut or not. π₀ is the model that the spec names; with LoRA it is the policy without its
adapter. β follows the KL where a target is set (arXiv 1909.08593, section 2.2). Dropout is off, and the old
log-probabilities are computed on the very batches that are trained on, so that ρ is 1 before the first update.

Distributed by accelerate (DDP, FSDP2, DeepSpeed): policy and value model are one module (`actor_critic`); the
reference and the reward models are whole on every device. Prompts, their order and all random numbers follow from seed,
step and rank, so a resumed run needs nothing but weights, optimizer and β. Left out: several responses a prompt, replay
of older ones.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, GradientAccumulationPlugin
from torch import Tensor
from transformers import PreTrainedTokenizerBase, set_seed

from trainer.runner.actor_critic import load_actor_critic, load_reference, token_log_probs, write_policy
from trainer.runner.callback import diverged, from_first_rank, memory_gb, reason_to_stop
from trainer.runner.checkpoints import last_complete, mark_complete, remove_half_written, remove_older
from trainer.runner.execution import Run, is_first_rank
from trainer.runner.failures import RunnerError
from trainer.runner.layers import LayerFreezer
from trainer.runner.loading import has_gpu, load_tokenizer, uses_bf16
from trainer.runner.rewards import Mix, load_mix
from trainer.runner.rollouts import Ids, LocalSampler, Sampler, VllmSampler, end_tokens, is_sharded
from trainer.runner.rows import TrainingRows, load_prompts, tokenize
from trainer.runner.samples import write_samples
from trainer.runner.stopping import Cancelled
from trainer.runner.training import (
    check_early_stopping,
    publish_final,
    report_training_start,
    tell_deepspeed,
)
from trainer.runner.win_rates import load_win_rate

Row = dict[str, Any]
Rows = Sequence[Row]
UNGRADED_STEPS = 5  # in a row, after which a run fails
ORDER, ROLLOUTS, PASSES, HELD_OUT = range(4)  # what random numbers are for


def execute(run: Run) -> dict[str, Any]:
    """Train on prompts; returns what goes into result.json."""
    tokenizer = load_tokenizer(run)
    rows = load_prompts(run, tokenizer)
    report_training_start(run, rows)
    check_early_stopping(run, rows)
    set_seed(run.spec.seed)
    training = PPO(run, tokenizer, rows, load_mix(run))
    steps, evaluation = training.train()
    model = publish_final(run, training.write_policy)
    return {"model": model, "steps": steps, "rows": rows.counts, "evaluation": evaluation}


# --- formulas -------------------------------------------------------------------------------------------------------


def advantages_and_returns(
    rewards_bt: Tensor, values_bt: Tensor, mask_bt: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantages A and returns A + V, both 0 where the mask is: a row's tokens are one stretch of it."""
    values_bt = values_bt * mask_bt
    advantages = torch.zeros_like(values_bt)
    after_b = torch.zeros_like(values_bt[:, 0])
    next_value_b = torch.zeros_like(after_b)
    for t in reversed(range(values_bt.shape[1])):
        delta_b = rewards_bt[:, t] + gamma * next_value_b - values_bt[:, t]
        after_b = mask_bt[:, t] * (delta_b + gamma * lam * after_b)
        advantages[:, t] = after_b
        next_value_b = values_bt[:, t]
    return advantages, (advantages + values_bt) * mask_bt


def policy_losses(new_bt: Tensor, old_bt: Tensor, advantages_bt: Tensor, clip: float) -> Tensor:
    """−A ρ, or what it is at the clip where that is worse; of log-probabilities."""
    ratio_bt = (new_bt - old_bt).exp()
    return torch.max(-advantages_bt * ratio_bt, -advantages_bt * ratio_bt.clamp(1 - clip, 1 + clip))


def value_losses(new_bt: Tensor, old_bt: Tensor, returns_bt: Tensor, clip: float) -> Tensor:
    """Half the squared error, or that of the clipped value where it is larger; a clip of 0 is none."""
    plain_bt = (new_bt - returns_bt).square()
    if clip > 0:
        clipped_bt = torch.clamp(new_bt, old_bt - clip, old_bt + clip)
        plain_bt = torch.max(plain_bt, (clipped_bt - returns_bt).square())
    return 0.5 * plain_bt


def steered(coefficient: float, kl: float, target: float, responses: int, horizon: int) -> float:
    """The KL coefficient after `responses` whose mean KL was `kl`; as it was where there is no target."""
    if target == 0:
        return coefficient
    error = min(max(kl / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * min(1.0, responses / horizon))


def rate_factor(step: int, total: int, warmup: int, scheduler: str) -> float:
    """The share of the peak learning rate at a step, counted from 0."""
    if step < warmup:
        return step / max(1, warmup)
    if scheduler.startswith("constant"):
        return 1.0
    done = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * done)) if scheduler == "cosine" else max(0.0, 1 - done)


# --- what a step learns from ----------------------------------------------------------------------------------------


@dataclass
class Rollouts:
    """Responses to the prompts of some rows, and what they are worth: NaN where nobody graded it."""

    rows: Rows
    prompts: list[Ids]
    responses: list[Ids]
    texts: list[str]
    rewards_bs: Tensor  # by source
    score_b: Tensor  # their weighted sum
    ended_b: Tensor  # whether the model came to an end

    @property
    def graded_b(self) -> Tensor:
        return ~self.score_b.isnan()

    def sums(self) -> dict[str, float]:
        """What is added up over ranks, and over the parts of the held-out rows."""
        graded_b = self.graded_b
        return {
            "count": len(self.responses),
            "tokens": sum(map(len, self.responses)),
            "ended": float(self.ended_b.sum()),
            "graded": float(graded_b.sum()),
            "score": float(self.score_b[graded_b].sum()),
        }


@dataclass
class Batch:
    """The rows of one forward pass: `mask_bt` marks the responses' tokens among those from `start` on."""

    ids_bs: Tensor
    start: int
    mask_bt: Tensor
    old_bt: Tensor = field(init=False)
    reference_bt: Tensor = field(init=False)
    values_bt: Tensor = field(init=False)
    advantages_bt: Tensor = field(init=False)
    returns_bt: Tensor = field(init=False)

    @property
    def kl_bt(self) -> Tensor:
        return (self.old_bt - self.reference_bt) * self.mask_bt


def make_batch(
    prompts: Sequence[Ids], responses: Sequence[Ids], usable: Sequence[bool], pad: int, device: torch.device
) -> Batch:
    """Prompt and response of each row side by side, padded on the right; a row that is not usable is masked out."""
    width = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
    start = min(map(len, prompts))
    ids = [[*p, *r, *[pad] * (width - len(p) - len(r))] for p, r in zip(prompts, responses, strict=True)]
    place_t = torch.arange(start, width)
    mask = torch.stack(
        [
            (place_t >= len(p)) & (place_t < len(p) + len(r)) & torch.tensor(each)
            for p, r, each in zip(prompts, responses, usable, strict=True)
        ]
    )
    return Batch(torch.tensor(ids, device=device), start, mask.float().to(device))


class Progress:
    """What a checkpoint holds besides weights and optimizer."""

    def __init__(self, kl_coefficient: float) -> None:
        self.kl_coefficient = kl_coefficient
        self.best: float | None = None
        self.best_step = 0
        self.without_gain = 0
        self.ungraded = 0  # steps in a row without any grade

    def note(self, found: float | None, step: int) -> None:
        """Whether the figure that early stopping looks at is the best so far; a missing one says nothing."""
        if found is None:
            return
        if self.best is None or found > self.best:
            self.best, self.best_step, self.without_gain = found, step, 0
        elif step > self.best_step:
            self.without_gain += 1

    def state_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


# --- the run --------------------------------------------------------------------------------------------------------


class PPO:
    """One run: `train` to the end, then `write_policy`."""

    def __init__(self, run: Run, tokenizer: PreTrainedTokenizerBase, rows: TrainingRows, mix: Mix) -> None:
        self.run, self.parameters, self.tokenizer, self.mix = run, run.spec.parameters, tokenizer, mix
        self.train_rows, self.test_rows = rows.train, rows.test
        accumulated = (
            self.parameters["rollouts"] // self.parameters["batch_size"] // self.parameters["minibatches"]
        )
        AcceleratorState._reset_state()  # as Trainer does: a run before this one may have had another precision
        self.accelerator = Accelerator(
            mixed_precision="bf16" if uses_bf16(run) else "no",
            # As a number accelerate launch would put its own in its place.
            gradient_accumulation_plugin=GradientAccumulationPlugin(accumulated),
            cpu=not has_gpu(),
            # DDP waits for the gradient of a frozen layer otherwise.
            kwargs_handlers=[
                DistributedDataParallelKwargs(find_unused_parameters=self.parameters["frozen_layers"] > 0)
            ],
        )
        if plugin := self.accelerator.state.deepspeed_plugin:
            tell_deepspeed(plugin, self.parameters)
        self.ranks, self.rank = self.accelerator.num_processes, self.accelerator.process_index
        whole = load_actor_critic(run, tokenizer)
        self.ends = end_tokens(whole.policy, tokenizer)
        self.freezer = LayerFreezer(whole.policy, run.spec)
        peaks = {"policy": self.parameters["learning_rate"], "value": self.parameters["value_learning_rate"]}
        optimizer = torch.optim.AdamW(whole.groups(peaks), betas=(0.9, 0.999), weight_decay=0.0)
        self.model, self.optimizer = self.accelerator.prepare(whole, optimizer)
        self.model.train()  # there is no dropout left; gradient checkpointing works in this mode only
        self.write_policy = partial(write_policy, run, self.accelerator, self.model, tokenizer)
        self.reference = load_reference(run, tokenizer, self.accelerator.device)
        self.sampler: Sampler = (
            VllmSampler(run, self.accelerator, tokenizer)
            if self.parameters["vllm_url"]
            else LocalSampler(run, self.accelerator, self.model, tokenizer)
        )
        self.win_rate = load_win_rate(run, tokenizer, rows.test)
        self.progress = Progress(self.parameters["kl_coefficient"])
        self.accelerator.register_for_checkpointing(self.progress)
        self.responses = self.parameters["rollouts"] * self.ranks  # of a step
        self.total = self.parameters["max_steps"] or math.ceil(
            self.parameters["epochs"] * len(self.train_rows) / self.responses
        )

    def train(self) -> tuple[int, dict[str, float] | None]:
        """From the last whole checkpoint to the end; the step reached, and the figures on held-out prompts."""
        if is_first_rank():
            remove_half_written(self.run.folder)
        step, checkpoint = last_complete(self.run.folder)
        if checkpoint:
            self.accelerator.load_state(checkpoint)
        self.run.check_stop()
        unlogged: list[dict[str, float]] = []
        evaluation = None
        if step or self.parameters["vllm_url"]:
            self.sampler.renew(self.write_policy)
        patience = self.parameters["early_stopping"] or math.inf
        while step < self.total and self.progress.without_gain < patience:
            unlogged.append(self._step(step))
            step += 1
            reason = reason_to_stop(self.run, self.accelerator.device)
            saving = reason or step == self.total or self._is_due("save_steps", step)
            if saving or self._is_due("logging_steps", step):
                self._log(step, unlogged)
                unlogged = []
            evaluates = self.test_rows is not None and self._is_due("eval_steps", step)
            evaluation = self._evaluate(step) if evaluates else None
            if saving:
                self._save(step)
            if reason:
                raise Cancelled(reason, *last_complete(self.run.folder))
        return self._finish(step, evaluation)

    def _is_due(self, every: str, step: int) -> bool:
        return bool(self.parameters[every] and step % self.parameters[every] == 0)

    def _finish(self, step: int, evaluation: dict[str, float] | None) -> tuple[int, dict[str, float] | None]:
        """Go back to the best model where the run was to stop early; evaluate where that is not done."""
        best = self.run.folder / f"checkpoint-{self.progress.best_step}"
        if self.parameters["early_stopping"] and self.progress.best_step not in (0, step) and best.is_dir():
            self.accelerator.load_state(str(best))
            self.sampler.renew(self.write_policy)
            step, evaluation = self.progress.best_step, None
        if evaluation is None and self.test_rows is not None:
            evaluation = self._evaluate(step)
        return step, evaluation

    # --- one step

    def _step(self, step: int) -> dict[str, float]:
        began = time.perf_counter()
        self.freezer.at(step)
        factor = rate_factor(step, self.total, self.parameters["warmup_steps"], self.parameters["scheduler"])
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        rows = [self.train_rows[index] for index in self._prompt_indices(step)]
        batches, values = self._collect(rows, step)
        collected = time.perf_counter()
        graded, tokens = int(values.pop("graded")), values.pop("tokens")
        self._check_graded(graded, step)
        if graded:
            values |= self._improve(batches, step)
            self.sampler.renew(self.write_policy)
            target, horizon = self.parameters["kl_target"], self.parameters["kl_horizon"]
            before = self.progress.kl_coefficient
            self.progress.kl_coefficient = steered(before, values["kl"], target, graded, horizon)
        seconds = time.perf_counter() - began
        return values | {
            "learning_rate": self.parameters["learning_rate"] * factor,
            "samples_per_second": self.responses / seconds,
            "tokens_per_second": tokens / seconds,
            "rollout_seconds": collected - began,
            "memory_gb": memory_gb(),
        }

    def _check_graded(self, graded: int, step: int) -> None:
        """A step without any grade teaches nothing; the run fails where several come in a row."""
        self.progress.ungraded = 0 if graded else self.progress.ungraded + 1
        if self.progress.ungraded >= UNGRADED_STEPS:
            raise RunnerError(
                f"No response of {UNGRADED_STEPS} steps in a row was graded: see what runner.log says of the "
                "graders, put them right, and start the run again; it goes on from its last checkpoint."
            )
        if not graded:
            message = f"No response of step {step + 1} was graded: the model stays as it is in this step."
            self.run.events.write("warning", message=message)

    def _prompt_indices(self, step: int) -> list[int]:
        """This rank's rows of a step: passes over all rows, each in an order of its own."""
        count, size = len(self.train_rows), self.parameters["rollouts"]
        first = (step * self.ranks + self.rank) * size
        passes = range(first // count, (first + size - 1) // count + 1)
        order = np.concatenate(
            [np.random.default_rng([self.run.spec.seed, ORDER, each]).permutation(count) for each in passes]
        )
        offset = first - passes[0] * count
        return [int(index) for index in order[offset : offset + size]]

    def _collect(self, rows: Rows, step: int) -> tuple[list[Batch], dict[str, float]]:
        """Sample, reward, and everything the losses need that stays fixed during the step."""
        rollouts = self._respond(rows, ROLLOUTS, step)
        usable, size = rollouts.graded_b.tolist(), self.parameters["batch_size"]
        batches = [
            make_batch(
                rollouts.prompts[at : at + size],
                rollouts.responses[at : at + size],
                usable[at : at + size],
                self.tokenizer.pad_token_id,
                self.accelerator.device,
            )
            for at in range(0, len(rows), size)
        ]
        shaped_b = self._shape(rollouts.score_b, rollouts.ended_b)
        with torch.no_grad():
            for batch, scores in zip(batches, shaped_b.split(size), strict=True):
                self._judge(batch, scores.to(self.accelerator.device))
        self._whiten(batches)
        return batches, self._describe(batches, rollouts)

    def _respond(self, rows: Rows, purpose: int, number: int) -> Rollouts:
        """A response to each row's prompt, from a seed of its own for each purpose, number and rank."""
        conversations = [row["prompt"] for row in rows]
        prompts = tokenize(self.tokenizer, conversations, add_generation_prompt=True)["input_ids"]
        sequence = np.random.SeedSequence([self.run.spec.seed, purpose, number, self.rank])
        seed = int(sequence.generate_state(1)[0])
        responses = self.sampler.sample(prompts, self.parameters["temperature"], seed)
        texts = self.tokenizer.batch_decode(responses, skip_special_tokens=True)
        rewards_bs = self.mix.rewards(rows, texts)
        ended_b = torch.tensor([bool(ids) and ids[-1] in self.ends for ids in responses])
        return Rollouts(rows, prompts, responses, texts, rewards_bs, self.mix.total(rewards_bs), ended_b)

    def _shape(self, score_b: Tensor, ended_b: Tensor) -> Tensor:
        """The score that is learnt from: less for a cut response, whitened and clipped as the spec says."""
        shaped_b = score_b - self.parameters["missing_eos_penalty"] * ~ended_b
        if self.parameters["whiten_rewards"]:
            mean, deviation = self._moments(shaped_b[~shaped_b.isnan()])
            shaped_b = (shaped_b - mean) / (deviation + 1e-8) + mean
        limit = self.parameters["reward_clip"]
        return shaped_b.clamp(-limit, limit) if limit > 0 else shaped_b

    def _judge(self, batch: Batch, score_b: Tensor) -> None:
        """Old log-probabilities, values and reference, then advantages and returns."""
        parameters = self.parameters
        with self.accelerator.autocast():
            batch.old_bt, _, batch.values_bt = self.model(
                batch.ids_bs, batch.start, parameters["temperature"]
            )
            batch.reference_bt = self._reference_log_probs(batch)
        rewards_bt = -self.progress.kl_coefficient * batch.kl_bt
        places_t = torch.arange(1, batch.mask_bt.shape[1] + 1, device=score_b.device)
        last_b = (batch.mask_bt * places_t).argmax(1)
        at_end_bt = torch.zeros_like(rewards_bt).scatter_(1, last_b[:, None], score_b.nan_to_num()[:, None])
        rewards_bt = rewards_bt + at_end_bt * batch.mask_bt
        batch.advantages_bt, batch.returns_bt = advantages_and_returns(
            rewards_bt, batch.values_bt, batch.mask_bt, parameters["gamma"], parameters["gae_lambda"]
        )

    def _reference_log_probs(self, batch: Batch) -> Tensor:
        temperature = self.parameters["temperature"]
        if self.reference is not None:
            return token_log_probs(self.reference, batch.ids_bs, batch.start, temperature)[0]
        policy = self.accelerator.unwrap_model(self.model).policy
        with policy.disable_adapter():
            reference_bt, _, _ = self.model(batch.ids_bs, batch.start, temperature, with_values=False)
        return reference_bt

    def _improve(self, batches: list[Batch], step: int) -> dict[str, float]:
        """The passes over the batches, in an order of its own each; mean figures over all of them."""
        order = np.random.default_rng([self.run.spec.seed, PASSES, step, self.rank])
        sums: dict[str, float] = defaultdict(float)
        norms = []
        per_minibatch = len(batches) // self.parameters["minibatches"]
        for _ in range(self.parameters["ppo_epochs"]):
            shuffled = [batches[index] for index in order.permutation(len(batches))]
            for at in range(0, len(batches), per_minibatch):
                norms.append(self._optimize(shuffled[at : at + per_minibatch], sums))
        found = self._totals(sums)
        tokens = max(1.0, found.pop("tokens"))
        return {name: value / tokens for name, value in found.items()} | {"grad_norm": float(np.mean(norms))}

    def _optimize(self, minibatch: list[Batch], sums: dict[str, float]) -> float:
        """One optimizer step over a minibatch; the gradient's norm before it is cut."""
        tokens = self._total(sum(batch.mask_bt.sum() for batch in minibatch))
        scale = len(minibatch) * self.ranks / tokens.clamp(min=1)
        norm, limit = 0.0, self.parameters["max_grad_norm"]
        for batch in minibatch:
            with self.accelerator.accumulate(self.model):
                # accelerate divides by the number of batches, and averages over ranks.
                self.accelerator.backward(self._loss(batch, sums) * scale)
                if self.accelerator.sync_gradients:
                    norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), limit) or 0.0)
                self.optimizer.step()
                self.optimizer.zero_grad()
        return norm

    def _loss(self, batch: Batch, sums: dict[str, float]) -> Tensor:
        """The loss of a batch, summed over its tokens; adds to the sums what is reported."""
        parameters, mask = self.parameters, batch.mask_bt
        with self.accelerator.autocast():
            new_bt, entropy_bt, values_bt = self.model(batch.ids_bs, batch.start, parameters["temperature"])
        policy = (policy_losses(new_bt, batch.old_bt, batch.advantages_bt, parameters["clip"]) * mask).sum()
        value = (
            value_losses(values_bt, batch.values_bt, batch.returns_bt, parameters["value_clip"]) * mask
        ).sum()
        entropy = (entropy_bt * mask).sum()
        loss = policy + parameters["value_weight"] * value - parameters["entropy_bonus"] * entropy
        with torch.no_grad():
            log_ratio_bt = (new_bt - batch.old_bt) * mask
            clipped_bt = ((log_ratio_bt.exp() - 1).abs() > parameters["clip"]).float()
            figures = {
                "loss": loss,
                "policy_loss": policy,
                "value_loss": value,
                "entropy": entropy,
                "clip_share": (clipped_bt * mask).sum(),
                # Schulman's k3, which is never negative.
                "step_kl": ((log_ratio_bt.exp() - 1 - log_ratio_bt) * mask).sum(),
                "tokens": mask.sum(),
            }
        for name, figure in zip(figures, torch.stack(list(figures.values())).tolist(), strict=True):
            sums[name] += figure
        return loss

    def _describe(self, batches: list[Batch], rollouts: Rollouts) -> dict[str, float]:
        """The figures of a step's responses, over all ranks; means are over those that have a grade.

        A figure of which nothing is known is left out.
        """
        sources = dict(zip(self.mix.sources, rollouts.rewards_bs.unbind(dim=1), strict=True))
        known = self._totals({name: (~column.isnan()).sum() for name, column in sources.items()})
        worth = self._totals({name: column.nansum() for name, column in sources.items()})
        found = self._totals(rollouts.sums() | {"kl": sum(batch.kl_bt.sum() for batch in batches)})
        graded, count = found["graded"], found["count"]
        values = {
            "kl_coefficient": self.progress.kl_coefficient,
            "length": found["tokens"] / count,
            "ended_share": found["ended"] / count,
            "ungraded_share": 1 - graded / count,
            "graded": graded,
            "tokens": found["tokens"],
        }
        if graded:
            values |= {
                "reward": found["score"] / graded,
                "kl": found["kl"] / graded,
                "value_explained": self._value_explained(batches),
            }
        return values | {f"reward_{name}": worth[name] / number for name, number in known.items() if number}

    def _value_explained(self, batches: list[Batch]) -> float:
        """The share of the returns' variance that the values explain."""
        returns = torch.cat([batch.returns_bt[batch.mask_bt > 0] for batch in batches])
        values = torch.cat([batch.values_bt[batch.mask_bt > 0] for batch in batches])
        _, spread = self._moments(returns)
        _, missed = self._moments(returns - values)
        return 1 - (missed / max(spread, 1e-4)) ** 2

    # --- held-out prompts, reports, checkpoints

    def _evaluate(self, step: int) -> dict[str, float]:
        """The reward of one response to each held-out prompt, sampled with a fixed seed."""
        held_out = self.test_rows
        assert held_out is not None  # noqa: S101
        sums: dict[str, float] = defaultdict(float)
        for number, at in enumerate(range(0, len(held_out), self.responses)):
            mine = range(at + self.rank, min(at + self.responses, len(held_out)), self.ranks)
            # Every rank asks its policy as often, where it holds a part of it only.
            rollouts = self._respond([held_out[index] for index in mine or [at]], HELD_OUT, number)
            for name, value in rollouts.sums().items():
                sums[name] += value if mine else 0.0
            if number == 0 and self.parameters["samples"]:
                shown = slice(self.parameters["samples"])
                rewards = self.mix.by_name(rollouts.rewards_bs[shown])
                write_samples(self.run, step, rollouts.rows[shown], rollouts.texts[shown], rewards)
        found = self._totals(sums)
        values = {"length": found["tokens"] / found["count"], "ended_share": found["ended"] / found["count"]}
        if found["graded"]:
            values["reward"] = found["score"] / found["graded"]
        if self.win_rate:
            policy = self.accelerator.unwrap_model(self.model).policy
            values |= self.win_rate.of(policy, sharded=is_sharded(self.model))
        noted = values.get(self.parameters["early_stopping_metric"])
        self.progress.note(from_first_rank(noted, self.accelerator.device), step)
        self.run.report_evaluation(step, dict(values))
        return values

    def _log(self, step: int, unlogged: list[dict[str, float]]) -> None:
        names = dict.fromkeys(name for each in unlogged for name in each)
        values: dict[str, float | None] = {
            name: float(np.mean([each[name] for each in unlogged if name in each])) for name in names
        }
        epoch = step * self.responses / len(self.train_rows)
        self.run.report_metric(step, self.total, epoch, values)
        loss = values.get("loss", 0.0)
        if not math.isfinite(loss or 0.0):
            raise diverged(self.run, loss, step)

    def _save(self, step: int) -> None:
        checkpoint = self.run.folder / f"checkpoint-{step}"
        self.accelerator.save_state(str(checkpoint))
        self.accelerator.wait_for_everyone()
        if is_first_rank():
            mark_complete(checkpoint)
            best = self.progress.best_step if self.parameters["early_stopping"] else step
            remove_older(self.run.folder, kept=(step, best))
        self.run.events.write("checkpoint", step=step, path=str(checkpoint))

    # --- pieces

    def _total(self, value: Tensor) -> Tensor:
        """The sum over all ranks."""
        return self.accelerator.reduce(value.to(self.accelerator.device), "sum")

    def _totals(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Each of these figures summed over all ranks."""
        values = torch.tensor([float(each) for each in sums.values()], dtype=torch.float64)
        return dict(zip(sums, self._total(values).tolist(), strict=True))

    def _moments(self, values: Tensor) -> tuple[float, float]:
        """Mean and standard deviation over all ranks; 0 and 0 of nothing."""
        # In double precision from the start: squares of large values leave nothing of a small spread otherwise.
        values = values.double()
        total, squares, count = self._total(
            torch.stack([values.sum(), values.square().sum(), values.new_tensor(len(values))])
        ).tolist()
        mean = total / max(1, count)
        return mean, math.sqrt(max(0.0, squares / max(1, count) - mean**2))

    def _whiten(self, batches: list[Batch]) -> None:
        """Bring the advantages to mean 0 and spread 1 over all ranks, in place."""
        mean, deviation = self._moments(torch.cat([each.advantages_bt[each.mask_bt > 0] for each in batches]))
        for batch in batches:
            batch.advantages_bt.sub_(mean).div_(deviation + 1e-8).mul_(batch.mask_bt)
