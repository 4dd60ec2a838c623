"""PPO's models: policy and value model as one module, the reference, and the policy as it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from peft import get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.utils import disable_dropout_in_model

from trainer.runner.execution import Run
from trainer.runner.loading import load_causal_model, load_scorer, lora_config
from trainer.runner.reward_heads import Heads
from trainer.runner.training import checkpoints_gradients


class ActorCritic(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Policy and value model as one module, so that whatever distributes the training sees one model."""

    def __init__(self, policy: PreTrainedModel, scorer: PreTrainedModel) -> None:
        super().__init__()
        self.policy = policy
        self.value = scorer
        self._no_split_modules = list(getattr(policy, "_no_split_modules", None) or [])

    def forward(
        self, ids_bs: Tensor, start: int, temperature: float, *, with_values: bool = True
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probability, entropy and value of the tokens from `start` on, each (rows, tokens).

        Rows are padded on the right, which no token before it sees, so no mask is needed.
        """
        log_probs_bt, entropy_bt = token_log_probs(self.policy, ids_bs, start, temperature)
        return log_probs_bt, entropy_bt, self._values(ids_bs, start) if with_values else None

    def _values(self, ids_bs: Tensor, start: int) -> Tensor:
        """The value of the state before each token; a reward model's overall head, its members' mean."""
        model = self.value
        backbone = getattr(model, model.base_model_prefix)
        hidden_bsh = backbone(input_ids=ids_bs, use_cache=False).last_hidden_state[:, start - 1 : -1]
        outputs_bto = model.score(hidden_bsh)
        split = outputs_bto.reshape(*outputs_bto.shape[:2], Heads.of(model).members, -1)
        return split[..., 0].mean(dim=-1).float()

    def groups(self, peaks: dict[str, float]) -> list[dict[str, Any]]:
        """What is trained, for an optimizer: a group for each model with the peak of its learning rate."""
        return [
            {
                "params": [each for each in getattr(self, name).parameters() if each.requires_grad],
                "lr": peak,
                "peak": peak,
            }
            for name, peak in peaks.items()
        ]


def token_log_probs(
    model: PreTrainedModel, ids_bs: Tensor, start: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of the tokens from `start` on, in float32."""
    kept = torch.arange(start - 1, ids_bs.shape[1] - 1, device=ids_bs.device)
    logits_btv = model(input_ids=ids_bs, use_cache=False, logits_to_keep=kept).logits.float() / temperature
    normal_bt = logits_btv.logsumexp(dim=-1)
    chosen_bt = logits_btv.gather(-1, ids_bs[:, start:, None]).squeeze(-1)
    entropy_bt = normal_bt - (logits_btv.softmax(dim=-1) * logits_btv).sum(dim=-1)
    return chosen_bt - normal_bt, entropy_bt


def load_actor_critic(run: Run, tokenizer: PreTrainedTokenizerBase) -> ActorCritic:
    """The policy, and the value model from the reward model that the spec names or from the base; no dropout."""
    policy = load_causal_model(run, tokenizer)
    source = run.spec.parameters["value_model"]
    scorer = load_scorer(run, source or run.spec.model, tokenizer)
    if not source:
        nn.init.zeros_(scorer.score.weight)  # a new head knows nothing: every value is 0
    if checkpoints_gradients(run):
        for model in (policy, scorer):
            model.gradient_checkpointing_enable({"use_reentrant": False})
    if run.spec.parameters["lora_r"]:
        policy = get_peft_model(policy, lora_config(run, "CAUSAL_LM"))
        get_peft_model(scorer, lora_config(run, "SEQ_CLS"))  # its layers are replaced in place
    for model in (policy, scorer):
        disable_dropout_in_model(model)
    return ActorCritic(policy, scorer)


def load_reference(
    run: Run, tokenizer: PreTrainedTokenizerBase, device: torch.device
) -> PreTrainedModel | None:
    """The base model, frozen; with LoRA none is needed."""
    if run.spec.parameters["lora_r"]:
        return None
    return load_causal_model(run, tokenizer, frozen=True).to(device).eval().requires_grad_(False)


def write_policy(
    run: Run, accelerator: Accelerator, model: nn.Module, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Save the policy as any model of its kind, a LoRA adapter merged into a copy; called on every rank."""
    state = accelerator.get_state_dict(model)
    if not accelerator.is_main_process:
        return
    prefix = "policy."
    weights = {key.removeprefix(prefix): each for key, each in state.items() if key.startswith(prefix)}
    if run.spec.parameters["lora_r"]:
        # The policy itself trains on as it is.
        base = load_causal_model(run, tokenizer, frozen=True)
        copy = get_peft_model(base, lora_config(run, "CAUSAL_LM"))
        copy.load_state_dict({key: each for key, each in weights.items() if "lora_" in key}, strict=False)
        copy.merge_and_unload().save_pretrained(folder)
    else:
        accelerator.unwrap_model(model).policy.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
