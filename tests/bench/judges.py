"""What judge runs do with limits, kills and money: `make bench-judges`, against the API that tests/fake_api plays.

The server and the worker are processes of their own; the worker calls what the app's worker calls. What each part
measures, and how, is in docs/benchmarks.md. BENCH_PARTS chooses among PARTS.
"""

import asyncio
import atexit
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from anthropic import AsyncAnthropic

from tests.bench.injections import injection_rates
from tests.bench.injections import table as injection_table
from tests.bench.report import Row, publish
from tests.fake_api.running import FakeApi, running_api_process

ROOT = Path(__file__).resolve().parents[2]
PER_MINUTE = int(os.environ.get("BENCH_PER_MINUTE", "1000"))
CALLS = int(os.environ.get("BENCH_CALLS", "10000"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "1000"))
KILLS = int(os.environ.get("BENCH_KILLS", "200"))
AT_ONCE = 100  # calls in flight of the naive script
KEY = "sk-bench-0123456789"


@contextmanager
def place(api: FakeApi) -> Iterator[dict[str, str]]:
    """The environment of a worker with a database of its own."""
    with tempfile.TemporaryDirectory(prefix="concord-bench-") as folder:
        shutil.copy(_migrated(), f"{folder}/bench.sqlite3")
        yield _environment(folder) | {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": api.url,
            "BENCH_HOSTS": api.url.removeprefix("http://"),
        }


@cache
def _migrated() -> Path:
    """A database with every table and no row, which is copied for each part."""
    folder = tempfile.mkdtemp(prefix="concord-bench-")
    atexit.register(shutil.rmtree, folder)
    environment = _environment(folder)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    with sqlite3.connect(f"{folder}/bench.sqlite3") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(folder, "bench.sqlite3")


def _environment(folder: str) -> dict[str, str]:
    return os.environ | {
        "CONCORD_VAR": folder,
        "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "LOG_LEVEL": "ERROR",
    }


def work(environment: dict[str, str], name: str, memory: list[float] | None = None, **arguments: Any) -> Any:
    """What a function of judge_work returns; ``memory`` is filled with its megabytes, twice a second."""
    command = [sys.executable, "-m", "tests.bench.judge_work", name, json.dumps(arguments)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        if memory is not None:
            threading.Thread(target=_watch, args=(process.pid, memory), daemon=True).start()
        told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return json.loads(told.splitlines()[-1])


def _watch(pid: int, memory: list[float]) -> None:
    try:
        process = psutil.Process(pid)
        while resident := process.memory_info().rss:  # 0 once it has ended and nobody has asked how
            memory.append(resident / 2**20)
            time.sleep(0.5)
    except psutil.Error:
        return


def rate() -> list[Row]:
    """All calls at a limit of so many a minute; latency 1 to 3 seconds, the server's bucket a twentieth of a minute."""
    with (
        running_api_process(
            requests_per_minute=PER_MINUTE, burst=0.05, latency=2.0, latency_spread=1.0
        ) as api,
        place(api) as environment,
    ):
        judge = work(environment, "prepare", comparisons=CALLS // 2, base_url=api.url)
        memory: list[float] = []
        found = work(environment, "run", memory, judge=judge, mode="live")
        state, bill = api.state(), api.bill()
        assert found["state"] == "succeeded", found
    limits = state["limits"]
    # The first goes alone and tells the limit; the rate is of those from then on.
    used = 100 * (limits["accepted"] - 1) / limits["seconds"] * 60 / PER_MINUTE
    later = memory[len(memory) // 3 :]
    return [
        Row(
            f"share of {PER_MINUTE:,} requests a minute used, {CALLS:,} calls",
            "%",
            used,
            goal=95,
            more_is_better=True,
        ),
        Row("  most requests turned away in a row", "", limits["broken_in_a_row"], goal=1),
        Row("  turned away in all", "", limits["turned_away"]),
        Row("  calls in flight at most", "", state["most_in_flight"]),
        Row(
            "  memory at its most in the last two thirds, beside the least",
            "x",
            max(later) / min(later),
            goal=1.1,
        ),
        Row("  billed without need", "", bill["requests"] - CALLS, goal=0),
    ]


def kills() -> list[Row]:
    rows = []
    for mode in ("live", "batch"):
        rows += _killed(mode, KILLS // 2)
    return rows


def _killed(mode: str, count: int) -> list[Row]:
    """Runs one after another, each killed until it has ended, until there were so many kills."""
    killed = billed = stored = lost = unaccounted = twice = in_flight = 0
    overpaid = Decimal(0)
    seed = 0
    while killed < count:
        settings = {
            "latency": 0.15,
            "latency_spread": 0.1,
            "batch_seconds": 2.0,
            "requests_per_minute": 3000,
        }
        with running_api_process(**settings) as api, place(api) as environment:
            judge = work(environment, "prepare", comparisons=150, base_url=api.url)
            found = work(
                environment,
                "kills",
                judge=judge,
                mode=mode,
                count=min(25, count - killed),
                longest=2.0 if mode == "live" else 0.8,
                seed=seed,
            )
            assert found["state"] == "succeeded", found
            hashes, bill = api.hashes(), api.bill()
        killed, seed = killed + found["killed"], seed + 1
        for hashed, (sends, answered) in found["sends"].items():
            paid = hashes.get(hashed, {}).get("live", 0) + hashes.get(hashed, {}).get("batch", 0)
            billed, stored, lost = billed + paid, stored + answered, lost + (not answered)
            twice += paid > 1
            in_flight += max(0, paid - 1)
            unaccounted += max(0, paid - sends)
        overpaid += max(
            Decimal(0), Decimal(bill["dollars"]) - Decimal(found["cost"]) - Decimal(found["held"])
        )
    return [
        Row(f"{mode}: kill -9s", "", killed, goal=count, more_is_better=True),
        Row("  billed by the server", "", billed),
        Row("  stored by us", "", stored),
        Row(
            "  billed when killed in flight, each counted and shown",
            "",
            in_flight,
            goal=0 if mode == "batch" else None,
        ),
        Row("  billed and not accounted for", "", unaccounted, goal=0),
        Row("  requests whose reply was lost", "", lost, goal=0),
        Row("  dollars beyond what is stored or held", "$", round(float(overpaid), 4), goal=0),
    ]


def cost() -> list[Row]:
    """The same requests three ways; dollars are the server's."""
    rows = []
    for rubric, what, goal in (
        ("guide", "a guideline of several rubrics, verdict only", 3.0),
        ("helpfulness", "the built-in rubric helpfulness, with scores", None),
    ):
        naive, live, batch = (_dollars(rubric, way) for way in ("naive", "live", "batch"))
        rows += [
            Row(f"{PAIRS:,} pairs in both orders, {what}: live", "$", live, "naive script", naive),
            Row("  in batches", "$", batch, "naive script", naive),
            Row("  naive beside live", "x", naive / live, goal=goal, more_is_better=True),
            Row("  naive beside batches", "x", naive / batch, goal=goal, more_is_better=True),
        ]
    return rows


def _dollars(rubric: str, way: str) -> float:
    with running_api_process(latency=0.05, batch_seconds=1.0) as api, place(api) as environment:
        judge = work(environment, "prepare", comparisons=PAIRS, base_url=api.url, rubric=rubric)
        if way == "naive":
            asyncio.run(_naive(work(environment, "bodies", judge=judge), api.url))
        else:
            found = work(environment, "run", judge=judge, mode=way)
            assert found["state"] == "succeeded", found
        return float(api.bill()["dollars"])


async def _naive(bodies: list[dict[str, Any]], url: str) -> None:
    """What one writes first: the same texts to the SDK, a hundred at once, and no thought of caches."""
    room = asyncio.Semaphore(AT_ONCE)
    async with AsyncAnthropic(api_key=KEY, base_url=url) as client:

        async def ask(body: dict[str, Any]) -> None:
            async with room:
                await client.messages.create(**body | {"system": body["system"][0]["text"]})

        await asyncio.gather(*map(ask, bodies))


def injections() -> list[Row]:
    """Attacks that reach the scripted judge, which obeys what it finds outside a fence."""
    rates = injection_rates()
    print(injection_table(rates))
    naive, ours = 100 * rates.naive["value"], 100 * rates.ours["value"]
    return [
        Row("injections that the scripted judge obeys", "%", ours, "naive prompt", naive, goal=0),
        Row(
            "  attacks that ever worked",
            "",
            len(rates.ours_reached),
            "naive prompt",
            len(rates.naive_reached),
        ),
    ]


# Each gives rows for the table.
PARTS = {"rate": rate, "kills": kills, "cost": cost, "injections": injections}


def main() -> None:
    chosen = [name for name in os.environ.get("BENCH_PARTS", ",".join(PARTS)).split(",") if name]
    rows = []
    for name in chosen:
        print(f"{name} …", flush=True)
        rows += PARTS[name]()
    publish("judges", rows)
    if any(row.met is False for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
