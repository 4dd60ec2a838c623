"""The routes. Anthropic's package asks below /v1, OpenAI's below the base URL it is given, which ends in /v1."""

from aiohttp import web

from tests.fake_api import admin, anthropic_side, embeddings, openai_batches, openai_side
from tests.fake_api.serving import WORLD
from tests.fake_api.world import Settings, World

LARGEST_BODY = 300_000_000


def build_app(settings: Settings | None = None) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[admin.explain])
    app[WORLD] = World()
    app[WORLD].reset(settings)
    app.add_routes(
        [
            web.post("/v1/messages", anthropic_side.messages),
            web.post("/v1/messages/count_tokens", anthropic_side.count_tokens),
            web.post("/v1/messages/batches", anthropic_side.create_batch),
            web.get("/v1/messages/batches", anthropic_side.list_batches),
            web.get("/v1/messages/batches/{id}", anthropic_side.retrieve_batch),
            web.post("/v1/messages/batches/{id}/cancel", anthropic_side.cancel_batch),
            web.get("/v1/messages/batches/{id}/results", anthropic_side.batch_results),
            web.post("/v1/chat/completions", openai_side.chat),
            web.post("/v1/responses", openai_side.responses),
            web.post("/v1/embeddings", embeddings.embeddings),
            web.post("/v1/files", openai_batches.create_file),
            web.get("/v1/files/{id}/content", openai_batches.file_content),
            web.post("/v1/batches", openai_batches.create_batch),
            web.get("/v1/batches", openai_batches.list_batches),
            web.get("/v1/batches/{id}", openai_batches.retrieve_batch),
            web.post("/v1/batches/{id}/cancel", openai_batches.cancel_batch),
            web.post("/_admin/reset", admin.reset),
            web.post("/_admin/settings", admin.settings),
            web.post("/_admin/script", admin.script),
            web.post("/_admin/clock", admin.clock),
            web.post("/_admin/hash", admin.hash_of),
            web.get("/_admin/bill", admin.bill),
            web.get("/_admin/hashes", admin.hashes),
            web.get("/_admin/state", admin.state),
        ]
    )
    return app
