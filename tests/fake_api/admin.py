"""/_admin: what tests and benchmarks set and look at, over HTTP, so that other processes can.

POST /_admin/reset     {settings}            everything afresh
POST /_admin/settings  {settings}            change some; the rate limits start afresh
POST /_admin/script    [{fault}, …]          replace the script of faults
POST /_admin/clock     {"advance": seconds}  move the server's time on
GET  /_admin/bill                            billed and delivered, tokens by kind, dollars
GET  /_admin/hashes                          {hash of a request's body: {"live", "batch", "delivered"}}
GET  /_admin/state                           limits, requests seen and in flight, faults that happened
POST /_admin/hash      {body}                the hash of a request's body
"""

import dataclasses
from typing import Any

from aiohttp import web

from tests.fake_api import batches
from tests.fake_api.faults import Fault
from tests.fake_api.serving import WORLD
from tests.fake_api.world import Settings, body_hash


async def reset(request: web.Request) -> web.Response:
    request.app[WORLD].reset(Settings(**await _body(request)))
    return _told(request)


async def settings(request: web.Request) -> web.Response:
    request.app[WORLD].set(await _body(request))
    return _told(request)


async def script(request: web.Request) -> web.Response:
    request.app[WORLD].script = [Fault(**fault) for fault in await _body(request)]
    return _told(request)


async def clock(request: web.Request) -> web.Response:
    request.app[WORLD].clock.advance((await _body(request))["advance"])
    return _told(request)


async def bill(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    for batch in world.batches.values():
        batches.settle(world, batch)
    return web.json_response(world.bill.told())


async def hashes(request: web.Request) -> web.Response:
    return web.json_response(request.app[WORLD].bill.by_hash)


async def state(request: web.Request) -> web.Response:
    return _told(request)


async def hash_of(request: web.Request) -> web.Response:
    return web.json_response({"hash": body_hash(await _body(request))})


def _told(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    return web.json_response(
        {
            "settings": dataclasses.asdict(world.settings),
            "now": world.clock.now(),
            "limits": world.limits.told(),
            "requests_seen": world.requests_seen,
            "in_flight": world.in_flight,
            "most_in_flight": world.most_in_flight,
            "faults": dict(world.applied),
            "batches": [{"id": batch.id, "counts": dict(batch.counts())} for batch in world.batches.values()],
        }
    )


async def _body(request: web.Request) -> Any:
    return await request.json() if request.can_read_body else {}


@web.middleware
async def explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """A setting or fault that does not exist is a mistake in a test, told in words."""
    try:
        return await handler(request)
    except (TypeError, ValueError, KeyError) as error:
        if not request.path.startswith("/_admin"):
            raise
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
