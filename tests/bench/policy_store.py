"""A policy and its labels for a project in PostgreSQL, as the job does it: loading, learning, deciding, writing.

A comparison has the verdicts of two judges, one in fifty those of three people as well. Then a hundred judgments come,
and the labels are updated.
"""

import json
import time

from tests.bench.agreement_store import copy, copy_comparisons, database, first_comparison, rater_of, run
from tests.bench.memory import peak_megabytes
from tests.bench.report import Row

GOAL, UPDATE_GOAL = 60.0, 1.0  # seconds, for a million comparisons
ASKED = 50  # one comparison in so many is judged by people


def measure(comparisons: int) -> list[Row]:
    with database() as url:
        run("migrate", url)
        found = json.loads(run("labels", url, comparisons, module="tests.bench.policy_store"))
    name = f"policy and labels of {found['comparisons']:,} comparisons"
    parts = [Row(f"{name}: {part}", "s", found["parts"][part]) for part in found["parts"]]
    return [
        *parts,
        Row(f"{name}, loading and writing included", "s", found["whole"], goal=GOAL),
        Row(f"{name} again, nothing changed", "s", found["again"]),
        Row(f"{name}, peak memory", "MB", found["megabytes"]),
        Row(
            f"update of the labels after {found['new']} new judgments", "s", found["update"], goal=UPDATE_GOAL
        ),
        Row("labels that the update wrote", "", found["written"]),
    ]


def labels(comparisons: int) -> None:
    """The work itself, with what each part of it takes."""
    from alignment.actions import labels as work
    from alignment.actions.policies import create_policy
    from alignment.models import Label
    from feedback.actions.jobs import perform_job

    project = fill(comparisons)
    policy = create_policy(
        project=project, name="bench", document={"max_error": 0.4, "epsilon": 0.4}, by=None
    )
    parts: dict[str, float] = {}
    for what, function in (
        ("loading", "load_judgments"),
        ("agreement report", "report_on"),
        ("facts", "study_of"),
        ("learning", "learn"),
        ("deciding", "decide"),
        ("writing", "write_labels"),
        ("hashing", "labels_sha256"),
    ):
        setattr(work, function, timed(getattr(work, function), parts, what))

    def carry_out(labelling) -> float:
        begun = time.perf_counter()
        perform_job(labelling.job_id, work.carry_out_labelling)
        labelling.job.refresh_from_db()
        assert labelling.job.state == "succeeded", labelling.job.message
        return time.perf_counter() - begun

    whole = carry_out(work.apply_policy(policy=policy, by=None))
    first = dict(parts)
    again = carry_out(work.apply_policy(policy=policy, by=None))
    new = judge_more(project)
    update = work.update_labels(policy=policy, by=None)
    seconds = carry_out(update)
    print(
        json.dumps(
            {
                "comparisons": Label.objects.count(),
                "parts": first,
                "whole": whole - first["agreement report"],
                "again": again,
                "update": seconds,
                "new": new,
                "written": Label.objects.filter(labelling=update).count(),
                "megabytes": peak_megabytes(),
            }
        )
    )


def timed(function, parts: dict[str, float], name: str):
    def call(*arguments, **named):
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            parts[name] = time.perf_counter() - begun

    return call


def fill(comparisons: int):
    from django.db import connection

    project, people, judges = first_comparison(overlap=0)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the copies are right; let none be checked
        copy_comparisons(cursor, comparisons)
        copy_judgments(cursor, people, judges, comparisons)
        for table in ("prompt", "comparison", "judgment"):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('feedback_{table}', 'id'), "
                f"(SELECT max(id) FROM feedback_{table}))"
            )
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")
    return project


def copy_judgments(cursor, people: list[int], judges: list[int], comparisons: int) -> None:
    """Both judges on every comparison, three people on one in ASKED."""
    from feedback.models import Judgment

    for turn in range(5):
        every = ASKED if turn < 3 else 1
        at = f"(g * {every})"
        # The true answer is a hash's last bit; one verdict in eight is the other.
        wrong, first = (
            f"(hashint8(({at} * 31 + {turn})::bigint) & 7) = 0",
            f"(hashint8({at}::bigint) & 1) = 0",
        )
        changes = {
            "id": f"t.id + 100 + {at} * 5 + {turn}", "comparison_id": f"t.comparison_id + {at}",
            "rater_id": rater_of(at, turn, people, judges),
            "ranking": f"CASE WHEN ({wrong}) = ({first}) THEN '2,1' ELSE '1,2' END",
            "submission_id": "gen_random_uuid()",
        }  # fmt: skip
        copy(cursor, Judgment, changes, comparisons // every)


def judge_more(project) -> int:
    """A hundred answers by one person on comparisons that no person had judged."""
    from uuid import uuid4

    from django.utils import timezone

    from feedback.models import Comparison, Judgment, Rater

    person = Rater.objects.get(project=project, name="person 1")
    names = [f"copy {1 + ASKED * index}" for index in range(1, 101)]
    made = Judgment.objects.bulk_create(
        Judgment(
            comparison=comparison,
            rater=person,
            submission_id=uuid4(),
            outcome="ranked",
            ranking=(1, 2),
            at=timezone.now(),
        )
        for comparison in Comparison.objects.filter(project=project, external_id__in=names)
    )
    return len(made)


if __name__ == "__main__":
    import os
    import sys

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    globals()[sys.argv[1]](*json.loads(sys.argv[2]))
