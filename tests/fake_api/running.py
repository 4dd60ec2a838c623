"""The server in a thread of the test's process or in a process of its own, and a handle to its /_admin."""

import asyncio
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fake_api.app import build_app
from tests.fake_api.world import Settings

ROOT = Path(__file__).resolve().parents[2]
BACKLOG = 2048  # connections that wait to be accepted: hundreds of calls start at once


class FakeApi:
    """A running server. ``url`` is the base URL for Anthropic's package, ``openai_url`` that for OpenAI's."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.openai_url = f"{self.url}/v1"

    def reset(self, **settings: Any) -> None:
        self._send("reset", settings)

    def set(self, **settings: Any) -> None:
        self._send("settings", settings)

    def script(self, *faults: dict[str, Any] | str) -> None:
        """Replace the script of faults; a name alone is that fault, once."""
        self._send("script", [{"name": fault} if isinstance(fault, str) else fault for fault in faults])

    def advance(self, seconds: float) -> None:
        self._send("clock", {"advance": seconds})

    def bill(self) -> dict[str, Any]:
        return self._send("bill")

    def hashes(self) -> dict[str, dict[str, int]]:
        return self._send("hashes")

    def state(self) -> dict[str, Any]:
        return self._send("state")

    def _send(self, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/_admin/{what}", data, {"content-type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None


async def serving(port: int, settings: Settings | None = None) -> tuple[web.AppRunner, int]:
    """A server that accepts connections, and the port it has."""
    runner = web.AppRunner(
        build_app(settings), access_log=None, shutdown_timeout=0.1, handler_cancellation=True
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG)
    await site.start()
    return runner, runner.addresses[0][1]


@contextmanager
def running_api() -> Iterator[FakeApi]:
    """In a thread of this process."""
    loop, started, found = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> None:
        found.extend(await serving(0))
        started.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(found[0].cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not started.wait(30):
        raise RuntimeError("the server did not start")
    try:
        yield FakeApi(found[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


@contextmanager
def running_api_process(**settings: Any) -> Iterator[FakeApi]:
    """In a process of its own, for benchmarks: it says its port on the first line it prints."""
    command = [sys.executable, "-m", "tests.fake_api", "--port", "0", "--settings", json.dumps(settings)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield FakeApi(int(line.rsplit(":", 1)[1]))
        finally:
            process.terminate()
