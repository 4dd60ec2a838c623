"""A small server of vLLM's HTTP protocol that really samples, with transformers, from the folder it serves.

It answers what the runner asks of `vllm serve` in developer mode: /v1/models, /v1/completions with token ids,
/collective_rpc (reload_weights) and /reset_prefix_cache. Weights change only when they are reloaded, as there.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


class FakeVllm:
    def __init__(self, folder: Path, first: Path) -> None:
        self.folder = folder
        self._model = AutoModelForCausalLM.from_pretrained(first)
        self._asked: list[tuple[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeVllm:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> list[Any]:
        return [body for each, body in self._asked if each == path]

    def answer(self, path: str, body: Any) -> Any:
        self._asked.append((path, body))
        if path == "/collective_rpc":
            assert body == {"method": "reload_weights"}
            self._model = AutoModelForCausalLM.from_pretrained(self.folder)
            return {"results": [None]}
        if path == "/v1/completions":
            return {"choices": [self._choice(i, ids, body) for i, ids in enumerate(body["prompt"])]}
        return None

    def _choice(self, index: int, ids: list[int], body: dict[str, Any]) -> dict[str, Any]:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(body["seed"] + index)
            out = self._model.generate(
                input_ids=torch.tensor([ids]),
                max_new_tokens=body["max_tokens"],
                do_sample=True,
                temperature=body["temperature"],
                top_p=body["top_p"],
                top_k=0 if body["top_k"] == -1 else body["top_k"],
            )
        return {"index": index, "token_ids": out[0, len(ids) :].tolist(), "text": ""}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send({"data": [{"id": str(fake.folder)}]})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                self._send(fake.answer(self.path, json.loads(self.rfile.read(length))))

            def _send(self, body: Any) -> None:
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
