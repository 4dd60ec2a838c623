"""What happens to every request: key, fault, limits, work, bill, and the way its answer travels."""

import asyncio
import json
import math
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from tests.fake_api.faults import AFTER, ANSWERS, WORK, next_fault
from tests.fake_api.world import Used, World, body_hash

WORLD = web.AppKey("world", World)
PIECES = 20  # of a slow body
RESET = struct.pack("ii", 1, 0)  # linger for no time: the peer sees a reset instead of an orderly end


@dataclass(frozen=True)
class Work:
    """What an endpoint did: the body of its answer, and the tokens it bills (None for what is free)."""

    body: Any
    used: Used | None = None
    model: str = ""


class Side(Protocol):
    """One provider's ways: where the key is, what an error and the headers look like."""

    id_header: str
    overloaded: int

    def key(self, request: web.Request) -> str: ...

    def error(self, kind: str, message: str, request_id: str, details: dict[str, Any]) -> Any: ...

    def limit_headers(self, world: World) -> dict[str, str]: ...


async def serve(
    request: web.Request,
    side: Side,
    endpoint: str,
    work: Callable[..., Work],
    *,
    tokens: Callable[[Any], int] = lambda body: 0,
) -> web.StreamResponse:
    """One request from its arrival to the last byte of its answer."""
    world = request.app[WORLD]
    world.requests_seen += 1
    world.in_flight += 1
    world.most_in_flight = max(world.most_in_flight, world.in_flight)
    try:
        return await _serve(world, request, side, endpoint, work, tokens)
    finally:
        world.in_flight -= 1


async def _serve(world, request, side, endpoint, work, tokens) -> web.StreamResponse:
    raw, arrived = await request.read(), world.clock.now()
    request_id = world.new_id("req")
    headers = {side.id_header: request_id}
    body = json.loads(raw) if raw and request.content_type == "application/json" else None
    key = side.key(request)
    if not key or (world.settings.keys and key not in world.settings.keys):
        return _refuse(side, "unauthorized", request_id, headers, key=key)
    fault = next_fault(world, endpoint, raw.decode(errors="replace"))
    if fault and fault.name not in WORK | AFTER:
        return await _fail(side, fault, request, request_id, headers, key)
    if tokens(body):
        wait = world.limits.seconds_to_wait(tokens(body), world.clock.now())
        headers |= side.limit_headers(world)
        if wait:
            headers["retry-after"] = str(math.ceil(wait))
            return _refuse(side, "rate_limited", request_id, headers)
        await asyncio.sleep(_latency(world))
        while world.most_in_flight < world.settings.together:
            await asyncio.sleep(0.01)
    done = work(world, body, fault, **({"arrived": arrived} if tokens(body) else {}))
    if done.used is None:
        return await _deliver(request, done.body, headers, fault)
    world.limits.wrote(done.used.output)
    world.bill.add(body_hash(body), done.model, done.used)
    response = await _deliver(request, done.body, headers, fault)
    if fault is None or fault.name not in AFTER - {"slow_body"}:
        world.bill.deliver(body_hash(body))
    return response


def _latency(world: World) -> float:
    settings = world.settings
    return max(0.0, settings.latency + settings.latency_spread * (2 * world.random.random() - 1))


def _refuse(side, name, request_id, headers, *, key="", details=None) -> web.Response:
    status, _, _, _, message = ANSWERS[name]
    status = side.overloaded if name == "overloaded" else status
    body = side.error(name, message.format(key=key), request_id, details or {})
    return web.json_response(body, status=status, headers=headers)


async def _fail(side, fault, request, request_id, headers, key) -> web.StreamResponse:
    if fault.name == "reset_before":
        return _reset(request)
    if fault.name == "hang":
        return await _hang(request)
    if fault.retry_after is not None:
        headers = headers | {"retry-after": f"{fault.retry_after:g}"}
    if fault.location:
        headers = headers | {"location": fault.location}
    return _refuse(side, fault.name, request_id, headers, key=key, details=fault.details)


async def _deliver(request, body, headers, fault) -> web.StreamResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    name = fault.name if fault else ""
    if name == "reset_after":
        return _reset(request)
    if name == "hang_after":
        return await _hang(request)
    if name == "html":
        return web.Response(
            text="<html><body>Please sign in.</body></html>", content_type="text/html", headers=headers
        )
    if name == "truncated_json":
        data = data[: len(data) // 2]
    response = web.StreamResponse(headers=headers | {"content-type": "application/json"})
    response.content_length = len(data)
    await response.prepare(request)
    if name == "cut_body":
        await response.write(data[: len(data) // 2])
        return _reset(request, response)
    if name == "slow_body":
        await _slowly(response, data, fault.seconds)
    else:
        await response.write(data)
    await response.write_eof()
    return response


async def _slowly(response: web.StreamResponse, data: bytes, seconds: float) -> None:
    size = len(data) // PIECES + 1
    for start in range(0, len(data), size):
        await asyncio.sleep(seconds / PIECES)
        await response.write(data[start : start + size])


async def _hang(request: web.Request) -> web.StreamResponse:
    """No answer until the client gives up, which cancels this."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
    return web.Response()


def _reset(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        request.transport.abort()
    return response or web.Response()
