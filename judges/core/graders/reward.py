"""A grader as a reward in training: the function that TRL's GRPO and RLOO take among their ``reward_funcs``."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from judges.core.graders.case import Case
from judges.core.graders.registry import read_grader
from judges.core.graders.services import Services

RewardFunction = Callable[..., Awaitable[list[float | None]]]
# What a trainer passes besides the columns of its dataset.
NO_COLUMNS = ("completion_ids", "prompt_ids", "trainer_state", "log_extra", "log_metric", "environments")


def reward_function(document: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> RewardFunction:
    """``f(prompts, completions, **columns)``, the reward of each completion, None where there is no grade.

    Prompts and completions are texts or lists of messages; each column holds a value a completion. A completion
    is the sample, its row of the columns with the ``prompt`` is the item. ``settings`` are those of Services. The
    function is asynchronous, since models and sandboxes are waited for; its name is the grader's, which is what
    trainers log. Raises BadGrader or BadSettings at once, not in the middle of a run.
    """
    grader = read_grader(document)
    Services(**(settings or {}))

    async def rewards(
        prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        cases = cases_of(prompts, completions, columns)
        async with Services(**(settings or {})) as services:
            return [grade.reward for grade in await grader.grades(cases, services)]

    rewards.__name__ = grader.name
    return rewards


def cases_of(prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]) -> list[Case]:
    """One case a completion."""
    rows = {
        name: values
        for name, values in columns.items()
        if name not in NO_COLUMNS and isinstance(values, Sequence) and len(values) == len(completions)
    }
    return [
        _case(completion, {name: values[index] for name, values in rows.items()} | {"prompt": prompts[index]})
        for index, completion in enumerate(completions)
    ]


def _case(completion: Any, item: Mapping[str, Any]) -> Case:
    if isinstance(completion, str):
        return Case(completion, item)
    message = completion[-1] if completion else {}
    return Case(str(message.get("content") or ""), item, tools=message.get("tool_calls") or ())
