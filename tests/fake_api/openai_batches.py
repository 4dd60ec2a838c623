"""OpenAI's files and batches: requests are handed in as a file, results are read from two."""

import json
from typing import Any

from aiohttp import web

from tests.fake_api import batches
from tests.fake_api.faults import ANSWERS, Fault
from tests.fake_api.openai_side import SIDE, completion, response
from tests.fake_api.serving import WORLD, Work, serve
from tests.fake_api.world import World

ENDPOINTS = {"/v1/chat/completions": completion, "/v1/responses": response}


async def create_file(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    upload = form["file"]
    content, purpose, name = upload.file.read(), str(form["purpose"]), upload.filename

    def work(world: World, body: Any, fault: Fault | None) -> Work:
        return Work(_keep_file(world, content, name, purpose))

    return await serve(request, SIDE, "files.create", work)


async def file_content(request: web.Request) -> web.StreamResponse:
    kept = request.app[WORLD].files.get(request.match_info["id"])
    if kept is None:
        return web.json_response(SIDE.error("not_found", "No such File object", "", {}), status=404)
    return await serve(request, SIDE, "files.content", lambda world, body, fault: Work(kept["content"]))


async def create_batch(request: web.Request) -> web.StreamResponse:
    def work(world: World, body: Any, fault: Fault | None) -> Work:
        lines = [json.loads(line) for line in world.files[body["input_file_id"]]["content"].splitlines()]
        entries = [batches.Entry(line["custom_id"], line["body"]) for line in lines]
        strange = {line["url"] for line in lines} != {body["endpoint"]} or len(
            {entry.custom_id for entry in entries}
        ) < len(entries)
        batch = batches.add(
            world,
            "batch",
            entries,
            work=ENDPOINTS[body["endpoint"]],
            endpoint=body["endpoint"],
            input_file_id=body["input_file_id"],
            metadata=body.get("metadata"),
            failed=strange,
        )
        if strange:
            batch.entries, batch.ended_at = [], world.clock.now()
        return Work(batch_payload(world, batch))

    return await serve(request, SIDE, "batches.create", work)


async def retrieve_batch(request: web.Request) -> web.StreamResponse:
    return await _about_a_batch(request, "retrieve")


async def cancel_batch(request: web.Request) -> web.StreamResponse:
    return await _about_a_batch(request, "cancel")


async def list_batches(request: web.Request) -> web.StreamResponse:
    def work(world: World, body: Any, fault: Fault | None) -> Work:
        page, more = batches.page(
            world, "batch", request.query.get("after"), int(request.query.get("limit", 20))
        )
        data = [batch_payload(world, batch) for batch in page]
        ids = [batch.id for batch in page] or [None]
        return Work(
            {"object": "list", "data": data, "has_more": more, "first_id": ids[0], "last_id": ids[-1]}
        )

    return await serve(request, SIDE, "batches.list", work)


async def _about_a_batch(request: web.Request, verb: str) -> web.StreamResponse:
    batch = batches.get(request.app[WORLD], "batch", request.match_info["id"])
    if batch is None:
        return web.json_response(SIDE.error("not_found", "No batch found", "", {}), status=404)

    def work(world: World, body: Any, fault: Fault | None) -> Work:
        if verb == "cancel":
            batches.cancel(world, batch)
        return Work(batch_payload(world, batch))

    return await serve(request, SIDE, f"batches.{verb}", work)


def _keep_file(world: World, content: bytes, name: str, purpose: str) -> dict[str, Any]:
    shown = {
        "id": world.new_id("file"),
        "object": "file",
        "bytes": len(content),
        "created_at": int(world.clock.now()),
        "filename": name,
        "purpose": purpose,
        "status": "processed",
    }
    world.files[shown["id"]] = {"content": content, "shown": shown}
    return shown


def batch_payload(world: World, batch: batches.Batch) -> dict[str, Any]:
    if batch.ended and "output_file_id" not in batch.more:
        _write_results(world, batch)
    counts, more = batch.counts(), batch.more
    ended_at = int(batch.ended_at) if batch.ended else None
    status = _status(batch)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": more["endpoint"],
        "completion_window": "24h",
        "input_file_id": more["input_file_id"],
        "output_file_id": more.get("output_file_id"),
        "error_file_id": more.get("error_file_id"),
        "status": status,
        "errors": {
            "object": "list",
            "data": [{"code": "invalid_file", "message": "A line does not fit.", "line": 1}],
        }
        if more["failed"]
        else None,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        "in_progress_at": int(batch.created_at),
        "completed_at": ended_at if status == "completed" else None,
        "expired_at": ended_at if status == "expired" else None,
        "cancelled_at": ended_at if status == "cancelled" else None,
        "failed_at": ended_at if status == "failed" else None,
        "cancelling_at": int(batch.canceled_at) or None,
        "metadata": more["metadata"],
        "request_counts": {
            "total": len(batch.entries),
            "completed": counts["succeeded"],
            "failed": counts["errored"] + counts["expired"] + counts["canceled"],
        },
    }


def _status(batch: batches.Batch) -> str:
    if batch.more["failed"]:
        return "failed"
    if not batch.ended:
        return "cancelling" if batch.canceled_at else "in_progress"
    counts = batch.counts()
    if batch.canceled_at:
        return "cancelled"
    return "expired" if counts["expired"] else "completed"


def _write_results(world: World, batch: batches.Batch) -> None:
    """Two files, as the API has them: replies, and what has none. A file that would be empty is not made."""
    entries = batch.in_any_order()
    for key, wanted in (("output_file_id", True), ("error_file_id", False)):
        lines = [_result(entry) for entry in entries if (entry.state == "succeeded") is wanted]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        kept = _keep_file(world, content, f"{batch.id}.jsonl", "batch_output") if lines else {}
        batch.more[key] = kept.get("id")


def _result(entry: batches.Entry) -> dict[str, Any]:
    line = {"id": f"batch_{entry.request_id}", "custom_id": entry.custom_id, "response": None, "error": None}
    if entry.state == "expired":
        return line | {
            "error": {"code": "batch_expired", "message": "This request could not be done in time."}
        }
    if entry.state == "canceled":
        return line | {"error": {"code": "batch_cancelled", "message": "The batch was cancelled."}}
    status, body = 200, entry.body
    if entry.state == "errored":
        name = entry.fault.name if entry.fault else "server_error"
        status, body = ANSWERS[name][0], SIDE.error(name, ANSWERS[name][4], entry.request_id, {})
    return line | {"response": {"status_code": status, "request_id": entry.request_id, "body": body}}
