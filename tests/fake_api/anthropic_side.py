"""Anthropic's endpoints: messages, token counting and message batches."""

import hashlib
import json
import math
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fake_api import batches
from tests.fake_api.faults import ANSWERS, Fault
from tests.fake_api.judge import judge
from tests.fake_api.serving import WORLD, Work, serve
from tests.fake_api.world import CACHE_SECONDS, SHORTEST_CACHED, Used, World, token_count
from tests.fake_api.writing import text_of, write

NOT_TAKEN = ("temperature", "top_p", "top_k")


class AnthropicSide:
    id_header = "request-id"
    overloaded = 529

    def key(self, request: web.Request) -> str:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        return request.headers.get("x-api-key", bearer)

    def error(self, kind: str, message: str, request_id: str, details: dict[str, Any]) -> Any:
        error = {"type": ANSWERS[kind][1], "message": message} | ({"details": details} if details else {})
        return {"type": "error", "error": error, "request_id": request_id}

    def limit_headers(self, world: World) -> dict[str, str]:
        found = {}
        for kind, bucket in world.limits.buckets.items():
            full_at = world.clock.now() + (bucket.most - bucket.level) * 60 / bucket.per_minute
            found[f"anthropic-ratelimit-{kind}-limit"] = str(bucket.per_minute)
            found[f"anthropic-ratelimit-{kind}-remaining"] = str(max(0, math.floor(bucket.level)))
            found[f"anthropic-ratelimit-{kind}-reset"] = rfc3339(full_at)
        return found


SIDE = AnthropicSide()


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


async def messages(request: web.Request) -> web.StreamResponse:
    return await serve(request, SIDE, "messages", message, tokens=prompt_tokens)


async def count_tokens(request: web.Request) -> web.StreamResponse:
    def work(world: World, body: Any, fault: Fault | None) -> Work:
        return Work({"input_tokens": prompt_tokens(body)})

    return await serve(request, SIDE, "count_tokens", work)


def message(
    world: World, body: Any, fault: Fault | None, *, batch: bool = False, arrived: float | None = None
) -> Work:
    """The reply to one request, live (it ``arrived`` then) or in a batch. Raises HTTPBadRequest for what the API does
    not take."""
    strange = [name for name in NOT_TAKEN if name in body]
    if strange:
        told = SIDE.error("bad_request", f"{strange[0]}: is not taken by this model", "", {})
        raise web.HTTPBadRequest(text=json.dumps(told), content_type="application/json")
    text, stop, details = _said(world, body, fault)
    written = token_count(text)
    used = _used(world, body, written, arrived)
    return Work(_payload(world, body, text, stop, details, used, batch), used, body["model"])


def prompt_tokens(body: Any) -> int:
    return sum(token_count(block["text"]) + 3 for block in _blocks(body))


def _said(world: World, body: Any, fault: Fault | None) -> tuple[str, str, Any]:
    settings = world.settings
    schema = body.get("output_config", {}).get("format", {}).get("schema", {})
    said = judge(user_text(body), first_bias=settings.first_bias, tie_margin=settings.tie_margin)
    text = text_of(write(schema, said)) if schema else json.dumps({"verdict": said.verdict})
    name = fault.name if fault else ""
    if name in ("refusal", "content_filter"):
        return "", "refusal", {"type": "refusal", "category": fault.category, "explanation": None}
    if name == "wrong_schema":
        return '{"winner": 1}', "end_turn", None
    if name == "truncated_reply":
        return text[: len(text) // 2], "end_turn", None
    if name == "empty":
        return "", "end_turn", None
    if name == "max_tokens" or token_count(text) > body["max_tokens"]:
        return text[: min(4 * body["max_tokens"], len(text) // 2)], "max_tokens", None
    return text, "end_turn", None


def user_text(body: Any) -> str:
    return "\n".join(block["text"] for block in _blocks(body) if block["role"] == "user")


def _blocks(body: Any) -> list[dict[str, Any]]:
    """Every text of the request in order, with its role and cache_control."""
    system = body.get("system", [])
    given = [("system", system)] + [(turn["role"], turn["content"]) for turn in body["messages"]]
    found = []
    for role, content in given:
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            found.append({"role": role, "text": block["text"], "cache_control": block.get("cache_control")})
    if body.get("cache_control") and found:
        found[-1]["cache_control"] = body["cache_control"]
    return found


def _used(world: World, body: Any, written: int, arrived: float | None) -> Used:
    """Read: the longest marked prefix that is cached. Written: what the last marked prefix holds beyond it."""
    now, blocks = world.clock.now(), _blocks(body)
    prefix, length, read, marked, hour = hashlib.sha256(body["model"].encode()), 0, 0, 0, False
    for block in blocks:
        prefix.update(json.dumps([block["role"], block["text"]]).encode())
        length += token_count(block["text"]) + 3
        if block["cache_control"] and length >= SHORTEST_CACHED:
            ttl = block["cache_control"].get("ttl", "5m")
            if world.cache.has(prefix.hexdigest(), arrived or now, now):
                read = length
            world.cache.keep(prefix.hexdigest(), now, CACHE_SECONDS[ttl])
            marked, hour = length, ttl == "1h"
    fresh = marked - read
    return Used(
        input=length - marked,
        output=written,
        cache_read=read,
        cache_write=0 if hour else fresh,
        cache_write_1h=fresh if hour else 0,
    )


def _payload(world, body, text, stop, details, used: Used, batch: bool) -> dict[str, Any]:
    return {
        "id": world.new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text, "citations": None}] if text else [],
        "container": None,
        "diagnostics": None,
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": details,
        "usage": {
            "input_tokens": used.input,
            "output_tokens": used.output,
            "cache_read_input_tokens": used.cache_read,
            "cache_creation_input_tokens": used.cache_write + used.cache_write_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.cache_write,
                "ephemeral_1h_input_tokens": used.cache_write_1h,
            },
            "output_tokens_details": {"thinking_tokens": 0},
            "service_tier": "batch" if batch else "standard",
            "inference_geo": None,
            "server_tool_use": None,
            "speed": None,
        },
    }


# Message batches


async def create_batch(request: web.Request) -> web.StreamResponse:
    def work(world: World, body: Any, fault: Fault | None) -> Work:
        entries = [batches.Entry(entry["custom_id"], entry["params"]) for entry in body["requests"]]
        if len({entry.custom_id for entry in entries}) < len(entries):
            told = SIDE.error("bad_request", "requests: custom_id must be unique", "", {})
            raise web.HTTPBadRequest(text=json.dumps(told), content_type="application/json")
        batch = batches.add(world, "msgbatch", entries, work=message)
        return Work(batch_payload(request, batch))

    return await serve(request, SIDE, "message_batches.create", work)


async def retrieve_batch(request: web.Request) -> web.StreamResponse:
    return await _about_a_batch(request, "retrieve", lambda world, batch: batch_payload(request, batch))


async def cancel_batch(request: web.Request) -> web.StreamResponse:
    def cancel(world: World, batch: batches.Batch) -> Any:
        batches.cancel(world, batch)
        return batch_payload(request, batch)

    return await _about_a_batch(request, "cancel", cancel)


async def list_batches(request: web.Request) -> web.StreamResponse:
    def work(world: World, body: Any, fault: Fault | None) -> Work:
        page, more = batches.page(
            world, "msgbatch", request.query.get("after_id"), int(request.query.get("limit", 20))
        )
        data = [batch_payload(request, batch) for batch in page]
        ids = [batch.id for batch in page] or [None]
        return Work({"data": data, "has_more": more, "first_id": ids[0], "last_id": ids[-1]})

    return await serve(request, SIDE, "message_batches.list", work)


async def batch_results(request: web.Request) -> web.StreamResponse:
    def lines(world: World, batch: batches.Batch) -> bytes:
        return b"".join(json.dumps(_result(entry)).encode() + b"\n" for entry in batch.in_any_order())

    return await _about_a_batch(request, "results", lines)


async def _about_a_batch(request: web.Request, verb: str, answer) -> web.StreamResponse:
    batch = batches.get(request.app[WORLD], "msgbatch", request.match_info["id"])
    if batch is None:
        told = SIDE.error("not_found", "No such batch", "", {})
        return web.json_response(told, status=404)

    def work(world: World, body: Any, fault: Fault | None) -> Work:
        return Work(answer(world, batch))

    return await serve(request, SIDE, f"message_batches.{verb}", work)


def _result(entry: batches.Entry) -> dict[str, Any]:
    if entry.state == "succeeded":
        return {"custom_id": entry.custom_id, "result": {"type": "succeeded", "message": entry.body}}
    if entry.state == "errored":
        name = entry.fault.name if entry.fault else "server_error"
        error = SIDE.error(name, ANSWERS[name][4], entry.request_id, {})
        return {"custom_id": entry.custom_id, "result": {"type": "errored", "error": error}}
    return {"custom_id": entry.custom_id, "result": {"type": entry.state}}


def batch_payload(request: web.Request, batch: batches.Batch) -> dict[str, Any]:
    counts = batch.counts() if batch.ended else {"processing": len(batch.entries)}
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if batch.ended else "canceling" if batch.canceled_at else "in_progress",
        "request_counts": {
            state: counts.get(state, 0)
            for state in ("processing", "succeeded", "errored", "canceled", "expired")
        },
        "created_at": rfc3339(batch.created_at),
        "expires_at": rfc3339(batch.expires_at),
        "ended_at": rfc3339(batch.ended_at) if batch.ended_at else None,
        "archived_at": None,
        "cancel_initiated_at": rfc3339(batch.canceled_at) if batch.canceled_at else None,
        "results_url": f"{request.url.origin()}/v1/messages/batches/{batch.id}/results"
        if batch.ended
        else None,
    }
