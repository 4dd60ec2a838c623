"""What is graded: one output of a model (the sample) beside the row it belongs to (the item)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Case:
    """``text`` is the model's output, ``item`` the row: reference answers and whatever else a grader reads.

    ``tools`` are the output's tool calls and ``choices`` its choices, both as chat completions have them; without
    ``choices`` they are made from the other two.
    """

    text: str
    item: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Any] = ()
    choices: Sequence[Any] = ()

    @cached_property
    def sample(self) -> dict[str, Any]:
        """The namespace ``sample``, with ``output_json`` where the text is JSON."""
        message = {"role": "assistant", "content": self.text, "tool_calls": list(self.tools)}
        sample: dict[str, Any] = {
            "output_text": self.text,
            "output_tools": list(self.tools),
            "choices": list(self.choices) or [{"index": 0, "finish_reason": "stop", "message": message}],
        }
        try:
            return sample | {"output_json": json.loads(self.text, parse_constant=_refuse)}
        except (ValueError, RecursionError):
            return sample


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
