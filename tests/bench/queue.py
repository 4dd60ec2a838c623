"""How long people wait for their next comparison: `make bench-queue`, which needs a PostgreSQL to make a database in.

Everything calls what the app calls: the lease (``in_turn`` and ``lease_next`` in their transaction), the page over
HTTP behind gunicorn as it is deployed, and beside them the query that other platforms use: exclude mine, count,
order, then insert. Times are milliseconds at the client. What is measured, and how, is in docs/benchmarks.md.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.bench.queue_work import (
    WARM_UP,
    copy_comparisons,
    go_ahead,
    lead,
    make_project,
    naive,
    one_after_another,
    people,
    reaper,
)
from tests.bench.report import Row, publish

PEOPLE = 64
AHEAD = 100_000
SECONDS = int(os.environ.get("BENCH_SECONDS", "30"))
SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "10000,1000000,10000000").split(",")]
FULL = 1_000_000 if 1_000_000 in SIZES else SIZES[-1]  # where all else is measured
SQLITE_ITEMS = 100_000
ADMIN = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
DATABASE = f"concord_bench_queue_{os.getpid()}"
PORT = 8765
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def run(url: str, what: Callable, *arguments) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "tests.bench.queue_work", what.__name__, json.dumps(arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        if process.wait():
            raise SystemExit(f"{what.__name__} failed")


def environment(url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": url, "DATABASE_POOL": "0", "CONCORD_VAR": VAR, "DEBUG": "0"}


def said(url: str, what: Callable, *arguments):
    with run(url, what, *arguments) as process:
        return json.loads(process.stdout.read())


def at_rate(
    url: str, raters: list[int], a_second: float, *, lapse: float = 3600, beside: tuple = ()
) -> list[float]:
    """The times of takes at that rate by all these people together, with other things going on beside."""
    groups = [raters[index::4] for index in range(4) if raters[index::4]]
    others = [run(url, what, SECONDS + WARM_UP) for what in beside]
    workers = [run(url, people, group, a_second / len(raters), SECONDS, lapse) for group in groups]
    times: list[float] = []
    for context in others:
        context.__enter__()
    started = [context.__enter__() for context in workers]
    for process in started:
        times += json.loads(process.stdout.read())
    for context in (*workers, *others):
        context.__exit__(None, None, None)
    return times


@contextmanager
def export(url: str) -> Iterator[None]:
    """Somebody reads the whole store in one snapshot, which keeps every dead row where it is."""
    stop = threading.Event()

    def read() -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with connection.cursor(name="export") as rows:
                rows.execute("SELECT * FROM feedback_comparison ORDER BY id")
                while not stop.wait(0.05):
                    rows.fetchmany(2000)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def rows_of(name: str, times: list[float], goal: float | None = None) -> list[Row]:
    print(
        f"  {name}: {len(times)} takes, p50 {percentile(times, 0.5):.2f}, p99 {percentile(times, 0.99):.2f}",
        flush=True,
    )
    return [
        Row(f"{name}, p50", "ms", percentile(times, 0.5)),
        Row(f"{name}, p99", "ms", percentile(times, 0.99), goal=goal),
    ]


def words(size: int) -> str:
    return f"{size // 1_000_000} million" if size >= 1_000_000 else f"{size:,}"


def at_size(url: str, raters: list[int], size: int) -> Iterator[Row]:
    """What one size of the queue costs, quiet and while other things happen."""
    name = f"take, {words(size)} open, 64/s"
    ahead = min(AHEAD, size // 4)
    yield from rows_of(name, at_rate(url, raters, 64), goal=5)
    said(url, go_ahead, raters[0], ahead)
    yield from rows_of(f"{name}, {ahead:,} items ahead", said(url, one_after_another, raters[0], 500), goal=5)
    yield from rows_of(f"{name}, priorities changing", at_rate(url, raters, 64, beside=(lead,)), goal=5)
    said(url, go_ahead, raters[0], ahead)
    with run(url, lead, 30):
        times = said(url, one_after_another, raters[0], 500)
    yield from rows_of(f"{name}, {ahead:,} ahead and priorities changing", times, goal=5)
    times = at_rate(url, raters, 64, lapse=2, beside=(reaper,))
    yield from rows_of(f"{name}, leases expiring", times, goal=5)
    with export(url):
        yield from rows_of(f"{name}, an export running", at_rate(url, raters, 64), goal=5)


def beside_the_usual(url: str, raters: list[int]) -> Iterator[Row]:
    """One person, nobody else: ours and the usual query one after the other, on the same rows."""
    ours = statistics.median(said(url, one_after_another, raters[1], 200))
    usual = statistics.median(said(url, naive, raters[2], 3))
    yield Row(
        f"take, {words(FULL)} open, one person, median",
        "ms",
        ours,
        peer="exclude, count, order, insert",
        peer_value=usual,
    )


def on_postgres() -> Iterator[Row]:
    url = ADMIN.rsplit("/", 1)[0] + "/" + DATABASE
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{DATABASE}"')
    try:
        migrate(url)
        made = said(url, make_project, PEOPLE)
        raters, loaded = made["raters"], 1
        for size in SIZES:
            if size > 2_000_000 and shutil.disk_usage(ROOT).free < 30 * 2**30:
                print(f"  {words(size)} items are left out: less than 30 GB of disk are free")
                continue
            print(f"loading {words(size)} comparisons", flush=True)
            said(url, copy_comparisons, loaded, size, 200_000)
            loaded = size
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE) feedback_queueitem")
            yield from at_size(url, raters, size)
            if size == FULL:
                yield from rows_of(f"take, {words(size)} open, 600/s", at_rate(url, raters, 600), goal=10)
                yield from beside_the_usual(url, raters)
                yield from over_http(url, made["sessions"])
    finally:
        with psycopg.connect(ADMIN, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{DATABASE}" WITH (FORCE)')


def over_http(url: str, sessions: list[str]) -> Iterator[Row]:
    """Submit with next, by 64 people who think for 2 seconds, through gunicorn as it is deployed."""
    from tests.bench.queue_http import measure

    times = measure(environment(url) | {"DATABASE_POOL": "1"}, sessions, PORT, seconds=2 * SECONDS)
    yield from rows_of("submit with next over HTTP, 64 people, 2 s of thinking", times, goal=30)


def on_sqlite() -> Iterator[Row]:
    url = f"sqlite:///{VAR}/bench.sqlite3"
    migrate(url)
    raters = said(url, make_project, 8)["raters"]
    said(url, copy_comparisons, 1, SQLITE_ITEMS, 0)
    yield from rows_of(f"SQLite, {SQLITE_ITEMS:,} open, 8 people, 8/s", at_rate(url, raters, 8))
    said(url, go_ahead, raters[0], 20_000)
    yield from rows_of("SQLite, 20,000 items ahead", said(url, one_after_another, raters[0], 200))


def migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment(url),
        check=True,
    )


def main() -> None:
    rows: list[Row] = []
    try:
        for part in (on_postgres, on_sqlite):
            rows += part()
    finally:
        publish("queue", rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as VAR:
        main()
