"""The whole agreement report of a project in PostgreSQL: loading, measuring and freezing, as the page's job does it.

The project is made within the database, in one of its own that is dropped again.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg

from tests.bench.memory import peak_megabytes
from tests.bench.report import ROOT, Row

ADMIN = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
DATABASE = f"concord_bench_agreement_{os.getpid()}"
PEOPLE = 12
GOAL = 10.0  # seconds, for a million judgments


def measure(judgments: int) -> list[Row]:
    with database() as url:
        run("migrate", url)
        found = json.loads(run("report", url, judgments))
    name = f"report of {found['judgments']:,} judgments"
    return [
        Row(f"{name}, loading from PostgreSQL", "s", found["load"]),
        Row(f"{name}, loading included", "s", found["whole"], goal=GOAL),
        Row(f"{name}, peak memory", "MB", found["megabytes"]),
    ]


@contextmanager
def database():
    server, _, _ = ADMIN.rpartition("/")
    with psycopg.connect(ADMIN, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield f"{server}/{DATABASE}"
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def run(what: str, url: str, *arguments, module: str = "tests.bench.agreement_store") -> str:
    command = [sys.executable, "-m", module, what, json.dumps(arguments)]
    variables = {"DATABASE_URL": url, "CONCORD_VAR": str(ROOT / "var" / "bench"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True
    )
    return ran.stdout.strip().splitlines()[-1] if ran.stdout.strip() else ""


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def report(judgments: int) -> None:
    from alignment.actions.reports import report_on
    from alignment.queries import load_judgments

    project = fill(judgments)
    begun = time.perf_counter()
    loaded = load_judgments(project)
    load = time.perf_counter() - begun
    report_on(loaded, project=project, by=None)
    whole = time.perf_counter() - begun
    megabytes = peak_megabytes()
    count = len(loaded.judgment_ids)
    print(json.dumps({"load": load, "whole": whole, "judgments": count, "megabytes": megabytes}))


def fill(judgments: int):
    """A fifth as many comparisons, two to a prompt, each judged by three of twelve people and by two judges."""
    from django.db import connection

    project, people, judges = first_comparison(overlap=3)
    count = judgments // 5
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the copies are right; let none be checked
        copy_comparisons(cursor, count)
        copy_responses(cursor, count)
        copy_judgments(cursor, people, judges, count)
        cursor.execute("ANALYZE")
    return project


def first_comparison(overlap: int):
    """A project with the one comparison, judged by all, that the others are copied from; its people and judges."""
    from feedback.actions.imports import store_records
    from feedback.actions.projects import create_project
    from feedback.models import Rater
    from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord

    project = create_project(name="Bench", by=None, overlap=overlap)
    names = [f"person {index}" for index in range(PEOPLE)] + ["judge 1", "judge 2"]
    said = [
        JudgmentRecord(rater=name, kind="human" if index < PEOPLE else "judge", ranking={"a": 1, "b": 2})
        for index, name in enumerate(names)
    ]
    record = ComparisonRecord(
        prompt=[{"role": "user", "content": "A question?"}],
        responses=[ResponseRecord("a", "x", "An answer."), ResponseRecord("b", "y", "Another answer.")],
        judgments=said,
        line=1,
    )
    store_records(project=project, records=[record], by=None)
    raters = {rater.name: rater.pk for rater in Rater.objects.filter(project=project)}
    return project, [raters[name] for name in names[:PEOPLE]], [raters[name] for name in names[PEOPLE:]]


def copy_comparisons(cursor, count: int) -> None:
    """Comparisons, two to a prompt."""
    from feedback.models import Comparison, Prompt

    copy(cursor, Prompt, {"id": "t.id + g", "sha256": "'p' || g"}, count // 2)
    copy(
        cursor, Comparison,
        {"id": "t.id + g", "external_id": "'copy ' || g", "prompt_id": "t.prompt_id + (g + 1) / 2"}, count,
    )  # fmt: skip


def copy_responses(cursor, count: int) -> None:
    """Both responses of each comparison, of six models and of different lengths."""
    from feedback.models import Response, Slot

    for side in range(2):
        own = f"10 + g * 2 + {side}"
        response = {
            "id": f"t.id + {own}", "prompt_id": "t.prompt_id + (g + 1) / 2", "sha256": f"'r' || g * 2 + {side}",
            "source": f"'model ' || (g * {7 + side} + {3 * side}) % 6",
            "text": f"repeat('word ', 20 + g * {31 + 12 * side} % 200)",
        }  # fmt: skip
        copy(cursor, Response, response, count)
        slot = {
            "id": f"t.id + {own}", "comparison_id": "t.comparison_id + g", "position": str(side),
            "response_id": f"t.response_id + {own}", "key": f"'{side}'",
        }  # fmt: skip
        copy(cursor, Slot, slot, count)


def copy_judgments(cursor, people: list[int], judges: list[int], count: int) -> None:
    """Three people and both judges on each comparison."""
    from feedback.models import Judgment

    for turn in range(5):
        # The true answer alternates; one verdict in four is another, one in twelve a tie.
        verdict = (
            f"CASE WHEN (g * 31 + {turn} * 17) % 12 = 0 THEN '1,1' "
            f"WHEN ((g * 13 + {turn} * 29) % 4 = 0) = (g % 2 = 0) THEN '2,1' ELSE '1,2' END"
        )
        changes = {
            "id": f"t.id + 100 + g * 5 + {turn}", "comparison_id": "t.comparison_id + g",
            "rater_id": rater_of("g", turn, people, judges), "ranking": verdict, "submission_id": "gen_random_uuid()",
        }  # fmt: skip
        copy(cursor, Judgment, changes, count)


def rater_of(at: str, turn: int, people: list[int], judges: list[int]) -> str:
    """SQL for who judges comparison ``at`` in this turn: three times one of the people, then each of the judges."""
    if turn < 3:
        return f"({array(people)})[1 + ({at} * 7 + {turn} * 5) % {len(people)}]"
    return str(judges[turn - 3])


def array(numbers: list[int]) -> str:
    return f"ARRAY[{','.join(map(str, numbers))}]"


def copy(cursor, model, changes: dict[str, str], count: int) -> None:
    """The table's first row again, ``count`` times, with these columns otherwise."""
    table = model._meta.db_table
    fields = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
    columns = [field.column for field in fields]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    cursor.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) t, "
        f"generate_series(1, {count}) g"
    )


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    globals()[sys.argv[1]](*json.loads(sys.argv[2]))
