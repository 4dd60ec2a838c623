"""What responses are worth: reward models, graders and judges over HTTP, each with its weight.

One source is a function `f(prompts, completions, **columns) -> [number or None]` in TRL's form, so that PPO, GRPO and
RLOO share them; graders are asynchronous, since judges over HTTP are waited for together. None is a missing grade: it
is no 0, and a response without any is not learnt from.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judges.core.graders.reward import reward_function
from trainer.runner.execution import Run
from trainer.runner.inference import place
from trainer.runner.loading import load_reward_model_from, load_tokenizer_from
from trainer.runner.reward_heads import head_scores
from trainer.runner.rows import Messages

Source = Callable[..., Any]
_BATCH = 64  # conversations scored in one forward pass


@dataclass(frozen=True)
class Mix:
    """The sources of a run by name, in the order of its spec, and their weights."""

    sources: dict[str, Source]
    weights: list[float]

    def rewards(self, rows: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> torch.Tensor:
        """The reward of each row's response by each source, (responses, sources); NaN where there is none.

        A row is its prompt and what graders read beside it.
        """
        completions = [[{"role": "assistant", "content": text}] for text in texts]
        columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
        answers = asyncio.run(self._ask([row["prompt"] for row in rows], completions, columns))
        rewards_sb = [[math.nan if value is None else value for value in answer] for answer in answers]
        return torch.tensor(rewards_sb, dtype=torch.float32).T

    def total(self, rewards_bs: torch.Tensor) -> torch.Tensor:
        """The weighted sum over sources, (responses); NaN where no source gave any."""
        total_b = (rewards_bs * torch.tensor(self.weights)).nansum(dim=1)
        return total_b.masked_fill(rewards_bs.isnan().all(dim=1), math.nan)

    def by_name(self, rewards_bs: torch.Tensor) -> list[dict[str, float | None]]:
        """Each response's reward by its source, None where there is none."""
        return [
            {
                name: None if math.isnan(value) else value
                for name, value in zip(self.sources, row, strict=True)
            }
            for row in rewards_bs.tolist()
        ]

    async def _ask(
        self,
        prompts: Sequence[Messages],
        completions: Sequence[Messages],
        columns: Mapping[str, Sequence[Any]],
    ) -> list[list[float | None]]:
        found = [
            source(prompts=prompts, completions=completions, **columns) for source in self.sources.values()
        ]
        return [await answer if inspect.isawaitable(answer) else answer for answer in found]


def load_mix(run: Run, parameter: str = "rewards") -> Mix:
    """The sources that a parameter of the spec names, ready to be asked.

    Raises RunnerError for a folder without a reward model.
    """
    sources: dict[str, Source] = {}
    wanted = run.spec.parameters[parameter]
    for each in wanted:
        source = _model_source(run, each) if "model" in each else _grader_source(each)
        name, number = source.__name__, 2
        while source.__name__ in sources:
            source.__name__ = f"{name}_{number}"
            number += 1
        sources[source.__name__] = source
    return Mix(sources, [each["weight"] for each in wanted])


def _grader_source(wanted: Mapping[str, Any]) -> Source:
    return reward_function(wanted["grader"], wanted["settings"])


def _model_source(run: Run, wanted: Mapping[str, Any]) -> Source:
    """The overall score of a reward model, less its members' spread times `uncertainty_penalty`."""
    tokenizer = load_tokenizer_from(run, wanted["model"])
    model = place(load_reward_model_from(run, wanted["model"], tokenizer))

    def reward_model(
        prompts: Sequence[Messages], completions: Sequence[Messages], **_: Any
    ) -> list[float | None]:
        whole = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
        scores = [
            score
            for start in range(0, len(whole), _BATCH)
            for score in head_scores(model, tokenizer, whole[start : start + _BATCH])
        ]
        return [score.overall - wanted["uncertainty_penalty"] * score.uncertainty for score in scores]

    folder = Path(wanted["model"])
    reward_model.__name__ = folder.parent.name if folder.name == "final" else folder.name
    return reward_model
