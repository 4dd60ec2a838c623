"""OpenAI's embeddings: counts of words, folded into a few dimensions, so that equal words make texts alike."""

import hashlib
import math
from typing import Any

from aiohttp import web

from tests.fake_api.faults import Fault
from tests.fake_api.openai_side import SIDE
from tests.fake_api.serving import Work, serve
from tests.fake_api.world import Used, World, token_count

DIMENSIONS = 64


async def embeddings(request: web.Request) -> web.StreamResponse:
    return await serve(request, SIDE, "embeddings", embedded)


def embedded(world: World, body: Any, fault: Fault | None, *, batch: bool = False) -> Work:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    used = Used(input=sum(token_count(text) for text in texts), output=0)
    data = [
        {"object": "embedding", "index": index, "embedding": vector(text)} for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": used.input, "total_tokens": used.input}
    # In no order, which is allowed: each says its index.
    payload = {"object": "list", "model": body["model"], "data": data[::-1], "usage": usage}
    return Work(payload, used, body["model"])


def vector(text: str) -> list[float]:
    """Of length 1, as OpenAI's are; all zeros for no words."""
    found = [0.0] * DIMENSIONS
    for word in text.lower().split():
        found[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    length = math.hypot(*found)
    return [value / length for value in found] if length else found
