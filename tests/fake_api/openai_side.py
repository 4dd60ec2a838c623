"""OpenAI's chat completions and responses."""

import hashlib
import json
import math
from typing import Any

from aiohttp import web

from tests.fake_api.faults import ANSWERS, Fault
from tests.fake_api.judge import judge
from tests.fake_api.serving import Work, serve
from tests.fake_api.world import SHORTEST_CACHED, STEP, Used, World, token_count
from tests.fake_api.writing import Piece, logprobs, text_of, write

CACHE_SECONDS = 600.0
REFUSAL = "I'm sorry, I can't help with that."


class OpenAISide:
    id_header = "x-request-id"
    overloaded = 503

    def key(self, request: web.Request) -> str:
        return request.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def error(self, kind: str, message: str, request_id: str, details: dict[str, Any]) -> Any:
        _, _, type_, code, _ = ANSWERS[kind]
        return {"error": {"message": message, "type": type_, "param": None, "code": code, **details}}

    def limit_headers(self, world: World) -> dict[str, str]:
        found = {}
        for kind, name in (("requests", "requests"), ("input-tokens", "tokens")):
            bucket = world.limits.buckets.get(kind)
            if bucket:
                seconds = (bucket.most - bucket.level) * 60 / bucket.per_minute
                found[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
                found[f"x-ratelimit-remaining-{name}"] = str(max(0, math.floor(bucket.level)))
                found[f"x-ratelimit-reset-{name}"] = f"{int(seconds // 60)}m{seconds % 60:.3f}s"
        return found


SIDE = OpenAISide()


async def chat(request: web.Request) -> web.StreamResponse:
    return await serve(request, SIDE, "chat", completion, tokens=prompt_tokens)


async def responses(request: web.Request) -> web.StreamResponse:
    return await serve(request, SIDE, "responses", response, tokens=prompt_tokens)


def completion(
    world: World, body: Any, fault: Fault | None, *, batch: bool = False, arrived: float | None = None
) -> Work:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    most = body.get("max_completion_tokens") or body.get("max_tokens") or 100_000
    said = _said(world, body, schema, most, fault)
    used = _used(world, body, token_count(said.text), arrived)
    return Work(_completion_payload(world, body, said, used), used, body["model"])


def response(
    world: World, body: Any, fault: Fault | None, *, batch: bool = False, arrived: float | None = None
) -> Work:
    schema = body.get("text", {}).get("format", {}).get("schema", {})
    said = _said(world, body, schema, body.get("max_output_tokens") or 100_000, fault)
    used = _used(world, body, token_count(said.text), arrived)
    return Work(_response_payload(world, body, said, used), used, body["model"])


def prompt_tokens(body: Any) -> int:
    return sum(token_count(text) + 4 for _, text in _texts(body))


class Said:
    """What the model wrote: its pieces, why it stopped in chat's words, and whether it is a refusal."""

    def __init__(self, pieces: list[Piece], stop: str = "stop", *, refusal: str = "") -> None:
        self.pieces, self.stop, self.refusal = pieces, stop, refusal
        self.text = refusal or text_of(pieces)


def _said(world: World, body: Any, schema: Any, most: int, fault: Fault | None) -> Said:
    settings = world.settings
    user = "\n".join(text for role, text in _texts(body) if role == "user")
    judged = judge(user, first_bias=settings.first_bias, tie_margin=settings.tie_margin)
    pieces = write(schema, judged) if schema else [Piece(json.dumps({"verdict": judged.verdict}))]
    name = fault.name if fault else ""
    if name == "refusal":
        return Said([], refusal=REFUSAL)
    if name in ("content_filter", "empty"):
        return Said([], "content_filter" if name == "content_filter" else "stop")
    if name == "wrong_schema":
        return Said([Piece('{"winner"'), Piece(": 1}")])
    if name == "truncated_reply":
        return Said(pieces[: len(pieces) // 2])
    if name == "max_tokens" or token_count(text_of(pieces)) > most:
        return Said(pieces[: min(most, len(pieces) // 2)], "length")
    return Said(pieces)


def _texts(body: Any) -> list[tuple[str, str]]:
    """(role, text) of a chat's messages or a response's instructions and input."""
    if "messages" in body:
        return [(turn["role"], turn["content"]) for turn in body["messages"]]
    given = body["input"]
    turns = (
        [("user", given)] if isinstance(given, str) else [(turn["role"], turn["content"]) for turn in given]
    )
    return [("system", body.get("instructions") or ""), *turns]


def _used(world: World, body: Any, written: int, arrived: float | None) -> Used:
    """What begins alike is cached by itself, in steps, for ten minutes from its last use; a write is billed too."""
    (_, first), *_ = _texts(body)
    whole, now = prompt_tokens(body), world.clock.now()
    prefix = (token_count(first) + 4) // STEP * STEP
    key = hashlib.sha256(f"{body['model']}\n{first}".encode()).hexdigest()
    read = prefix if prefix >= SHORTEST_CACHED and world.cache.has(key, arrived or now, now) else 0
    world.cache.keep(key, now, CACHE_SECONDS)
    fresh = prefix if prefix >= SHORTEST_CACHED and not read else 0
    return Used(input=whole - read - fresh, output=written, cache_read=read, cache_write=fresh)


def _completion_payload(world: World, body: Any, said: Said, used: Used) -> dict[str, Any]:
    tokens = logprobs(said.pieces, body.get("top_logprobs", 0)) if body.get("logprobs") else None
    return {
        "id": world.new_id("chatcmpl"),
        "object": "chat.completion",
        "created": int(world.clock.now()),
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None if said.refusal else said.text,
                    "refusal": said.refusal or None,
                    "annotations": [],
                },
                "logprobs": {"content": tokens, "refusal": None} if tokens is not None else None,
                "finish_reason": said.stop,
            }
        ],
        "usage": {
            "prompt_tokens": used.prompt,
            "completion_tokens": used.output,
            "total_tokens": used.prompt + used.output,
            "prompt_tokens_details": {
                "cached_tokens": used.cache_read,
                "cache_write_tokens": used.cache_write,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": f"fp_{body.get('seed', 0)}",
    }


def _response_payload(world: World, body: Any, said: Said, used: Used) -> dict[str, Any]:
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(said.stop)
    status = "incomplete" if reason else "completed"
    return {
        "id": world.new_id("resp"),
        "object": "response",
        "created_at": world.clock.now(),
        "model": body["model"],
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "output": [
            {
                "id": world.new_id("msg"),
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [_content(body, said)] if said.text else [],
            }
        ],
        "parallel_tool_calls": True,
        "temperature": body.get("temperature", 1.0),
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "max_output_tokens": body.get("max_output_tokens"),
        "text": body.get("text"),
        "usage": {
            "input_tokens": used.prompt,
            "input_tokens_details": {
                "cached_tokens": used.cache_read,
                "cache_write_tokens": used.cache_write,
            },
            "output_tokens": used.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": used.prompt + used.output,
        },
    }


def _content(body: Any, said: Said) -> dict[str, Any]:
    if said.refusal:
        return {"type": "refusal", "refusal": said.refusal}
    asked = "message.output_text.logprobs" in (body.get("include") or [])
    tokens = logprobs(said.pieces, body.get("top_logprobs", 0)) if asked else []
    return {"type": "output_text", "text": said.text, "annotations": [], "logprobs": tokens}
