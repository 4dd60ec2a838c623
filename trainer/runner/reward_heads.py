"""The heads of a reward model: an overall score and one for each criterion, by each member of an ensemble.

All members share the trunk, each has heads of its own that saw other rows, so that their spread shows where the rows
decide little (arXiv 1602.04621). It tells too little where the trunk itself is wrong. The layout is kept in the
model's configuration; a model without one has the single overall head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.runner.rows import Messages, tokenize

OVERALL = "overall"


class Score(NamedTuple):
    """`uncertainty` is the members' standard deviation of the overall score, 0 where there is one member."""

    overall: float
    uncertainty: float
    criteria: dict[str, float]


@dataclass(frozen=True)
class Heads:
    """Output i × (1 + criteria) + j is member i's head j; head 0 is overall."""

    members: int = 1
    criteria: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.members * (1 + len(self.criteria))

    def split(self, logits: torch.Tensor) -> torch.Tensor:
        """(rows, outputs) as (rows, members, heads)."""
        return logits.reshape(len(logits), self.members, 1 + len(self.criteria))

    def note(self, model: PreTrainedModel) -> None:
        """Write the layout into the model's configuration, where it is found again when it is loaded."""
        model.config.num_labels = self.count
        model.config.reward_heads = {"members": self.members, "criteria": list(self.criteria)}

    @classmethod
    def of(cls, model: PreTrainedModel) -> Heads:
        noted = getattr(model.config, "reward_heads", None) or {}
        return cls(noted.get("members", 1), tuple(noted.get("criteria", ())))


def head_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, conversations: list[Messages]
) -> list[Score]:
    """The scores of each whole conversation, as one batch."""
    encoded = tokenize(
        tokenizer,
        conversations,
        padding=True,
        return_tensors="pt",
        tokenizer_kwargs={"padding_side": "right"},
    )
    inputs = {name: encoded[name].to(model.device) for name in ("input_ids", "attention_mask")}
    mixed = any(weight.dtype == torch.bfloat16 for weight in model.parameters())
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=mixed):
        logits = model(**inputs, use_cache=False).logits
    heads = Heads.of(model)
    scores_bmh = heads.split(logits.float())
    means = scores_bmh.mean(dim=1).tolist()
    spreads = scores_bmh[..., 0].std(dim=1, correction=0).tolist()
    return [
        Score(mean[0], spread, dict(zip(heads.criteria, mean[1:], strict=True)))
        for mean, spread in zip(means, spreads, strict=True)
    ]
