"""``python -m tests.fake_api --port 8123 --settings '{"requests_per_minute": 1000}'``: until it is stopped."""

import argparse
import asyncio
import json
import signal

from tests.fake_api.running import serving
from tests.fake_api.world import Settings


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8123, help="0 for any that is free")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON; see world.Settings")
    given = parser.parse_args()
    runner, port = await serving(given.port, Settings(**given.settings))
    print(f"listening on http://127.0.0.1:{port}", flush=True)  # noqa: T201
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()


asyncio.run(main())
