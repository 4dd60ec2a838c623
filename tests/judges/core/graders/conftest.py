"""Grading a few texts at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from judges.core.graders import Case, Grade, grade

OUTPUT = "{{sample.output_text}}"


@pytest.fixture
def grades() -> Callable[..., list[Grade]]:
    """``grades(document, "text", "text", item={…})``; the document has a name and grades the output."""

    def run(document: dict[str, Any], *texts: str, item: dict[str, Any] | None = None, **settings: Any):
        cases = [Case(text, item or {}) for text in texts]
        return asyncio.run(grade({"name": "g"} | document, cases, settings))

    return run


@pytest.fixture
def rewards(grades) -> Callable[..., list[float | None]]:
    def run(*arguments: Any, **more: Any) -> list[float | None]:
        return [found.reward for found in grades(*arguments, **more)]

    return run
