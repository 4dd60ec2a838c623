"""How long people wait for their next comparison: `make bench-queue`, which needs a PostgreSQL to make a database in.

Everything calls what the app calls: the lease (``in_turn`` and ``lease_next`` in their transaction), the page over
HTTP behind gunicorn as it is deployed, and beside them the query that other platforms use: exclude mine, count,
order, then insert. Times are milliseconds at the client. What is measured, and how, is in docs/benchmarks.md.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg

from tests.bench.queue_call import ROOT, Store
from tests.bench.queue_floor import floor
from tests.bench.queue_http import Server, measure
from tests.bench.report import Row, publish

PEOPLE = 64
AHEAD = 100_000
SECONDS = int(os.environ.get("BENCH_SECONDS", "30"))
SIZES = sorted(int(size) for size in os.environ.get("BENCH_SIZES", "10000,1000000,10000000").split(","))
FULL = 1_000_000 if 1_000_000 in SIZES else SIZES[-1]  # where all else is measured
WITH_TEXTS = 200_000  # so many have responses, which only the page reads
LARGEST_DISK = 30 * 2**30  # bytes free, for more than FULL
SQLITE_ITEMS = min(100_000, FULL)
ADMIN = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
PORT = 8765


class Bench:
    """One database's rows, said as they come."""

    def __init__(self, store: Store, people: int) -> None:
        self.store = store
        made = store.call("queue_store.make_project", people)
        self.raters, self.sessions = made["raters"], made["sessions"]
        self.size = 1
        self.rows: list[Row] = []

    def grow(self, size: int) -> None:
        begun = time.perf_counter()
        self.store.call("queue_store.copy_comparisons", self.size, size, WITH_TEXTS, size > FULL)
        self.size = size
        say(f"{words(size)} comparisons, made in {time.perf_counter() - begun:.0f} s")

    def times(self, what: str, times: Sequence[float], goal: float | None = None) -> None:
        """A row for the median and one for the 99th percentile."""
        name = f"{what}, {words(self.size)} open"
        for share, meant in ((0.5, None), (0.99, goal)):
            taken = percentile(times, share)
            self.rows.append(Row(f"{name}, p{round(100 * share)}", "ms", taken, goal=meant))
        say(f"{name}: {len(times)}, p50 {percentile(times, 0.5):.2f}, p99 {percentile(times, 0.99):.2f} ms")

    def at_rate(self, a_second: float, *, lapse: float = 3600, beside: str = "") -> list[float]:
        """The times of takes at that rate by all people together, while something goes on beside them."""

        def take() -> list[float]:
            return self.store.call("queue_people.people", self.raters, a_second, SECONDS, lapse)

        if not beside:
            return take()
        with self.store.beside(f"queue_people.{beside}"):
            return take()

    def floor(self, a_second: float) -> None:
        """What this machine allows at that rate, whatever the take does."""
        times = floor(self.store.url, len(self.raters), a_second, SECONDS)
        if times is not None:
            self.times(f"  floor: five round trips by pgbench, {a_second:g}/s", times)

    def ahead(self, count: int) -> list[float]:
        """One person's takes who is so many comparisons ahead of everybody."""
        self.store.call("queue_store.go_ahead", self.raters[0], count)
        return self.store.call("queue_people.one_after_another", self.raters[0], 500)

    def beside_the_usual(self, takes: int) -> None:
        """One person, nobody else: ours and the usual query one after the other, on the same rows."""
        ours = statistics.median(self.store.call("queue_people.one_after_another", self.raters[1], 200))
        usual = statistics.median(self.store.call("queue_people.usual", self.raters[2], takes))
        say(f"one person: ours {ours:.2f} ms, the usual query {usual:.2f} ms")
        name = f"one person alone, {words(self.size)} open, median"
        peer = "exclude, count, order, insert"
        self.rows.append(Row(name, "ms", ours, peer=peer, peer_value=usual))


def on_postgres(bench: Bench) -> None:
    for size in SIZES:
        if size > FULL and shutil.disk_usage(ROOT).free < LARGEST_DISK:
            say(f"{words(size)} are left out: less than {LARGEST_DISK >> 30} GB of disk are free")
            continue
        bench.grow(size)
        bench.times("take, 64/s", bench.at_rate(64), goal=5)
        bench.floor(64)
        if size == FULL:
            over_http(bench)
            at_full_size(bench)
        ahead = min(AHEAD, size // 4)
        bench.times(f"take, {ahead:,} ahead", bench.ahead(ahead), goal=5)
        bench.beside_the_usual(takes=3 if size <= FULL else 1)


def at_full_size(bench: Bench) -> None:
    bench.times("take, 600/s", bench.at_rate(600), goal=10)
    bench.floor(600)
    bench.times("take, 64/s, leases expiring", bench.at_rate(64, lapse=2, beside="reaper"), goal=5)
    bench.times("take, 64/s, an export running", bench.at_rate(64, beside="export"), goal=5)
    bench.times("take, 64/s, priorities changing", bench.at_rate(64, beside="lead"), goal=5)
    ahead = min(AHEAD, bench.size // 4)
    with bench.store.beside("queue_people.lead"):
        bench.times(f"take, {ahead:,} ahead, priorities changing", bench.ahead(ahead), goal=5)


def over_http(bench: Bench) -> None:
    """Submit with next, by 64 people who think for 2 seconds, through gunicorn as it is deployed."""
    with Server(bench.store.environment, PORT):
        times = measure(bench.sessions, PORT, seconds=2 * SECONDS)
    bench.times("submit with next over HTTP, 64 people", times, goal=30)


def on_sqlite(bench: Bench) -> None:
    bench.grow(SQLITE_ITEMS)
    bench.times("SQLite, take, 8 people, 8/s", bench.at_rate(8))
    ahead = min(20_000, bench.size // 4)
    bench.times(f"SQLite, take, {ahead:,} ahead", bench.ahead(ahead))


@contextmanager
def database() -> Iterator[str]:
    """The address of a new PostgreSQL database, dropped at the end."""
    name = f"concord_bench_queue_{os.getpid()}"
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    try:
        yield ADMIN.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(ADMIN, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def words(size: int) -> str:
    return f"{size // 1_000_000} million" if size >= 1_000_000 else f"{size:,}"


def say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def main() -> None:
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as var, database() as url:
            for address, people, part in (
                (url, PEOPLE, on_postgres),
                (f"sqlite:///{var}/bench.sqlite3", 8, on_sqlite),
            ):
                run(Store(address, var), people, part, rows)
    finally:
        publish("queue", rows)


def run(store: Store, people: int, part: Callable[[Bench], None], rows: list[Row]) -> None:
    store.migrate()
    bench = Bench(store, people)
    bench.rows = rows
    part(bench)


if __name__ == "__main__":
    main()
