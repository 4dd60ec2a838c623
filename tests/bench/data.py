"""Pairs into PostgreSQL and out again, beside what a database driver does with the same rows in the same run.

`make bench-agreement` runs it last; BENCH_PAIRS (100000) sets the size, of 1.9 kB a pair. What is measured, and how, is
in docs/benchmarks.md.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import agreement_store
from tests.bench.memory import peak_megabytes
from tests.bench.report import ROOT, Row

PAIRS = int(os.environ.get("BENCH_PAIRS", "100000"))
FOLDER = ROOT / "var" / "bench" / "data"
AT = "2026-05-01T10:00:00Z"
TABLES = ("prompt", "response", "comparison", "slot", "queueitem", "judgment", "reviewitem")
QUERY = """
SELECT p.messages::text AS prompt, a.text AS chosen, b.text AS rejected
FROM feedback_judgment j
JOIN feedback_comparison c ON c.id = j.comparison_id
JOIN feedback_prompt p ON p.id = c.prompt_id
JOIN feedback_slot s ON s.comparison_id = c.id AND s.position = CASE j.ranking WHEN '1,2' THEN 0 ELSE 1 END
JOIN feedback_slot t ON t.comparison_id = c.id AND t.position = 1 - s.position
JOIN feedback_response a ON a.id = s.response_id
JOIN feedback_response b ON b.id = t.response_id
"""
# What a program does that has never heard of us: the driver's batches of Arrow into a Parquet file.
ADBC = f"""
import sys, time
import adbc_driver_postgresql.dbapi as dbapi, pyarrow.parquet as pq
begun = time.perf_counter()
with dbapi.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute({QUERY!r})
    reader = cursor.fetch_record_batch()
    with pq.ParquetWriter(sys.argv[2], reader.schema, compression="zstd", compression_level=3) as writer:
        for batch in reader:
            writer.write_batch(batch)
print(time.perf_counter() - begun)
"""


def measure() -> list[Row]:
    make_file()
    megabytes = file_of().stat().st_size / 1e6
    with agreement_store.database() as url:
        agreement_store.run("migrate", url)
        sqlite = f"sqlite:///{FOLDER / 'bench.sqlite3'}"
        found = json.loads(run("work", url))
        bare = json.loads(run("bare", url))["seconds"]
        adbc = adbc_seconds(url)
    (FOLDER / "bench.sqlite3").unlink(missing_ok=True)
    agreement_store.run("migrate", sqlite)
    lite = json.loads(run("work", sqlite))

    def of(what: str, *rest, **more) -> Row:
        return Row(f"{PAIRS:,} pairs, {megabytes:,.0f} MB, {what}", *rest, **more)

    peer = "ADBC with pyarrow, three columns"
    return [
        of("import, share of a bare COPY's speed", "", bare / found["import"], goal=0.5, more_is_better=True),
        of(
            "unchanged again, times as fast",
            "x",
            found["import"] / found["again"],
            goal=2,
            more_is_better=True,
        ),
        of("import", "s", found["import"], "bare binary COPY", bare),
        of("freeze: split, hashes and Parquet", "s", found["freeze"]),
        of("snapshot to preference Parquet", "s", found["preference.parquet"], peer, adbc),
        of("project to Parquet", "s", found["concord.parquet"], peer, adbc),
        *(
            of(f"{what} to zstd JSON lines", "MB/s", megabytes / found[name], goal=125, more_is_better=True)
            for what, name in (("snapshot", "preference.jsonl.zst"), ("project", "concord.jsonl.zst"))
        ),
        of("peak memory of the exports", "MB", found["megabytes"], goal=200),
        of("peak memory of the exports, SQLite", "MB", lite["megabytes"], goal=200),
    ]


def run(what: str, url: str) -> str:
    variables = {"DATABASE_URL": url, "CONCORD_VAR": str(FOLDER), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.bench.data", what]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True
    )
    return ran.stdout.strip().splitlines()[-1]


def adbc_seconds(url: str) -> float | None:
    from tests.bench.agreement import environment

    try:
        python = environment("adbc")
        ran = subprocess.run(
            [python, "-I", "-c", ADBC, url.replace("postgres://", "postgresql://"), FOLDER / "adbc.parquet"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"  ADBC could not be measured: {getattr(error, 'stderr', error)}", flush=True)
        return None
    return float(ran.stdout)


def file_of() -> Path:
    return FOLDER / f"pairs-{PAIRS}.jsonl"


def make_file() -> None:
    """Pairs in our own format, each judged by one person; of words, so that they shrink as texts do."""
    if file_of().exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(20_000)]
    with file_of().open("w") as file:
        for number in range(PAIRS):
            texts = [" ".join(rng.choices(words, k=130)) for _ in range(2)]
            row = {
                "id": f"pair {number}",
                "prompt": [{"role": "user", "content": " ".join(rng.choices(words, k=20))}],
                "responses": [
                    {"id": key, "source": f"model-{key}", "text": text}
                    for key, text in zip("ab", texts, strict=True)
                ],
                "judgments": [
                    {"rater": "ana", "ranking": {"a": 1 + number % 2, "b": 2 - number % 2}, "at": AT}
                ],
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


def work() -> None:
    """Import, import again, freeze, export; each timed. Memory is that of a process that does nothing but export."""
    from alignment.actions.imports import import_file
    from alignment.actions.snapshots import freeze_snapshot
    from feedback.actions.projects import create_project
    from tests.bench.data_labels import use_everything

    project = create_project(name="Bench", by=None, overlap=1)
    found = {}
    for name in ("import", "again"):
        begun = time.perf_counter()
        import_file(project=project, path=file_of(), by=None, format="concord")
        found[name] = time.perf_counter() - begun
    policy = use_everything(project)
    begun = time.perf_counter()
    freeze_snapshot(project=project, policy=policy, by=None, test_share=0.001)
    found["freeze"] = time.perf_counter() - begun
    found |= json.loads(run("exports", os.environ["DATABASE_URL"]))
    print(json.dumps(found))


def exports() -> None:
    from alignment.actions.exports import export
    from feedback.models import Project

    found: dict[str, float] = {}
    for name in ("preference.parquet", "preference.jsonl.zst", "concord.parquet", "concord.jsonl.zst"):
        begun = time.perf_counter()
        export(project=Project.objects.get(), format=name.partition(".")[0], path=FOLDER / name, by=None)
        found[name] = time.perf_counter() - begun
    found["megabytes"] = peak_megabytes()
    print(json.dumps(found))


def bare() -> None:
    """The rows as they are now, by binary COPY out of the tables and into empty ones with the same indexes and keys."""
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        for table in TABLES:
            with (
                (FOLDER / f"{table}.copy").open("wb") as file,
                cursor.cursor.copy(
                    f"COPY feedback_{table} ({columns(cursor, table)}) TO STDOUT (FORMAT BINARY)"
                ) as copy,
            ):
                for chunk in copy:
                    file.write(chunk)
        cursor.execute("TRUNCATE " + ", ".join(f"feedback_{table}" for table in TABLES) + " CASCADE")
        begun = time.perf_counter()
        with transaction.atomic():
            for table in TABLES:
                with (
                    (FOLDER / f"{table}.copy").open("rb") as file,
                    cursor.cursor.copy(
                        f"COPY feedback_{table} ({columns(cursor, table)}) FROM STDIN (FORMAT BINARY)"
                    ) as copy,
                ):
                    while chunk := file.read(1 << 20):
                        copy.write(chunk)
    print(json.dumps({"seconds": time.perf_counter() - begun}))


def columns(cursor, table: str) -> str:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER' "
        "ORDER BY ordinal_position",
        [f"feedback_{table}"],
    )
    return ", ".join(f'"{name}"' for (name,) in cursor.fetchall())


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    globals()[sys.argv[1]]()
