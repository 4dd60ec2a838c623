"""A grader as a reward function: the shape that TRL calls, and rewards that are missing stay missing."""

import asyncio
import inspect

import pytest

from judges.core.graders import BadGrader
from judges.core.graders.reward import reward_function

EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


def call(function, prompts, completions, **columns):
    return asyncio.run(function(prompts=prompts, completions=completions, **columns))


def test_texts_and_their_columns():
    rewards = reward_function(EXACT)
    given = {
        "answer": ["a", "b"],
        "completion_ids": [[1], [2]],
        "trainer_state": object(),
        "log_extra": print,
    }
    assert call(rewards, ["p", "p"], ["a", "a"], **given) == [1.0, 0.0]


def test_messages_as_conversational_datasets_have_them():
    rewards = reward_function(EXACT | {"reference": "{{item.prompt[0].content}}"})
    prompts = [[{"role": "user", "content": "echo"}]] * 2
    completions = [[{"role": "assistant", "content": "echo"}], [{"role": "assistant", "content": "no"}]]
    assert call(rewards, prompts, completions) == [1.0, 0.0]


def test_tool_calls_are_the_sample_s():
    rewards = reward_function(EXACT | {"input": "{{sample.output_tools[0].function.name}}"})
    message = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "get"}}]}
    assert call(rewards, ["p"], [[message]], answer=["get"]) == [1.0]


def test_a_missing_grade_is_none():
    rewards = reward_function(EXACT)
    assert call(rewards, ["p"], ["a"]) == [None]


def test_it_is_asynchronous_and_has_the_grader_s_name_as_trainers_expect():
    rewards = reward_function(EXACT)
    assert inspect.iscoroutinefunction(rewards)
    assert rewards.__name__ == "exact"


def test_a_document_that_is_no_grader_is_refused_before_the_run():
    with pytest.raises(BadGrader, match="operation"):
        reward_function(EXACT | {"operation": "in"})
