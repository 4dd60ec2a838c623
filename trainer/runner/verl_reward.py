"""The reward function that verl loads from this file: the graders of a run's spec, weighed as everywhere else.

verl calls ``compute_score`` once a response, in workers of its own on the cluster; ``spec`` is the run's spec file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from judges.core.graders.reward import RewardFunction, reward_function
from trainer.spec import RunSpec


class NoGrade(Exception):
    """No source graded the response: a missing grade is no 0, and verl has no word for it."""


async def compute_score(*, solution_str: str, extra_info: Mapping[str, Any], spec: str, **_: Any) -> float:
    """The weighted sum of the grades that there are. Raises NoGrade where there is none.

    What else verl passes, such as the ground truth, is in the item too.
    """
    item = json.loads(extra_info["item"])
    prompt = item.pop("prompt")
    columns = {name: [value] for name, value in item.items()}
    said = [{"role": "assistant", "content": solution_str}]
    total, graded = 0.0, False
    for weight, grade in _sources(spec):
        (reward,) = await grade(prompts=[prompt], completions=[said], **columns)
        if reward is not None:
            total, graded = total + weight * reward, True
    if not graded:
        raise NoGrade(f"No grader of {spec} has graded a response; the judges' server may be away.")
    return total


@cache
def _sources(spec: str) -> tuple[tuple[float, RewardFunction], ...]:
    rewards = RunSpec.from_json(Path(spec).read_text()).parameters["rewards"]
    return tuple((each["weight"], reward_function(each["grader"], each["settings"])) for each in rewards)
