"""A provider of each kind on the server of ours, and requests to ask it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from judges.core.providers import Key, provider_for
from judges.core.rendering import JudgeText, render
from judges.core.request import Request
from judges.core.rubric import CriterionText

SECRET = "sk-canary-5e17c0ffee"
MODELS = {"anthropic": "claude-opus-5-5", "openai": "gpt-5.6-luna"}
LONG = "Be fair. " * 600  # a rubric that is long enough to be cached
CRITERIA = (CriterionText("Clarity"), CriterionText("Tone"))


@pytest.fixture
def make_request() -> Callable[..., Request]:
    """A comparison of a good answer and a bad one."""

    def make(provider: str = "anthropic", question: str = "Why?", *, rubric: str = "Prefer.", **more: Any):
        criteria = more.pop("criteria", ())
        judge = JudgeText(provider, more.pop("model", MODELS.get(provider, "m")), {}, rubric, criteria)
        responses = ["Good. [[quality 0.9]]", "Bad. [[quality 0.1]]"]
        return render(judge, [{"role": "user", "content": question}], responses, **({"shown": (0, 1)} | more))

    return make


@pytest.fixture
def opened(fake_api) -> Callable[..., Any]:
    """A provider that is open: ``async with opened("openai", api="responses") as provider``."""

    @asynccontextmanager
    async def open_provider(name: str, **settings: Any) -> AsyncIterator[Any]:
        url = fake_api.openai_url if name == "openai" else fake_api.url
        async with provider_for(name, {"base_url": url} | settings, key=Key(SECRET, url)) as provider:
            yield provider

    return open_provider


@pytest.fixture
def ask(opened, make_request) -> Callable[..., Any]:
    """The reply of a provider, or what it raises."""

    def once(name: str, request: Request | None = None, *, seconds: float | None = None, **settings: Any):
        async def asked():
            async with opened(name, **settings) as provider:
                if seconds is not None:
                    provider.seconds = seconds
                return await provider.ask(request or make_request(name))

        return asyncio.run(asked())

    return once


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
