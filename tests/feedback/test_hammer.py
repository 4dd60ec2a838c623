"""Many annotators at once, and some of them killed: nothing is lost, doubled or given to one person too many.

64 on PostgreSQL, 8 on SQLite. ``HAMMER_OPERATIONS`` says how many operations; `make hammer` runs 100,000.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from feedback.actions.assignments import take
from feedback.models import Assignment, Project, QueueItem, Rater

PROCESSES = 4
KILL_EVERY = 5000  # operations; in a short run five times
PEOPLE = {"postgresql": 64, "sqlite": 8}
OPERATIONS = int(os.environ.get("HAMMER_OPERATIONS", "0")) or {"postgresql": 800, "sqlite": 300}
# By what they say, so that a database that loses a rule is found out by its rows, whatever the rule was called.
VIOLATIONS = {
    "free slots, leases and verdicts do not add up to the overlap": """
        SELECT q.comparison_id FROM feedback_queueitem q JOIN feedback_comparison c ON c.id = q.comparison_id
        WHERE q.slots_free < 0 OR c.overlap <> q.slots_free
        + (SELECT count(*) FROM feedback_assignment a WHERE a.comparison_id = c.id
           AND a.done_at IS NULL AND a.expires_at IS NOT NULL)
        + (SELECT count(*) FROM feedback_judgment j WHERE j.comparison_id = c.id AND j."current"
           AND j.outcome <> 'skipped')""",
    "a comparison given to one person twice": """
        SELECT comparison_id, rater_id FROM feedback_assignment GROUP BY 1, 2 HAVING count(*) > 1""",
    "two judgments of one person count": """
        SELECT comparison_id, rater_id FROM feedback_judgment WHERE "current" GROUP BY 1, 2 HAVING count(*) > 1""",
    "a submission stored twice": """
        SELECT submission_id FROM feedback_judgment GROUP BY 1 HAVING count(*) > 1""",
    "a judgment that counts without a finished assignment": """
        SELECT j.id FROM feedback_judgment j LEFT JOIN feedback_assignment a
        ON a.comparison_id = j.comparison_id AND a.rater_id = j.rater_id
        WHERE j."current" AND a.done_at IS NULL""",
    "a finished assignment without a judgment that counts": """
        SELECT a.id FROM feedback_assignment a LEFT JOIN feedback_judgment j
        ON a.comparison_id = j.comparison_id AND a.rater_id = j.rater_id AND j."current"
        WHERE a.done_at IS NOT NULL AND j.id IS NULL""",
    "a person whose sides are out of balance": """
        SELECT rater_id FROM feedback_assignment GROUP BY 1
        HAVING abs(sum(CASE shown WHEN '0,1' THEN 1 ELSE -1 END)) > 2""",
    "an order shown that is none": "SELECT id FROM feedback_assignment WHERE shown NOT IN ('0,1', '1,0')",
}


def environment() -> dict[str, str]:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        account = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
        url = f"postgres://{account}/{database['NAME']}"
    ours = {"DATABASE_URL": url, "DATABASE_POOL": "0", "CONCORD_VAR": str(settings.VAR)}
    return os.environ | ours | {"PYTHONPATH": str(settings.BASE_DIR)}


class Hammer:
    """The annotators' processes; those killed are replaced until all the operations are done."""

    def __init__(self, raters: list[int], operations: int) -> None:
        self.chance = random.Random(operations)
        self.groups = [raters[index::PROCESSES] for index in range(PROCESSES)]
        self.people = len(raters)
        self.operations = operations
        self.running: dict[int, int] = {}
        self.starting: list[int] = []
        self.counts: Counter[str] = Counter()
        self.stored: set[str] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        script = Path(__file__).with_name("hammering.py")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, script], stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environment()
        ) as self.forge:
            for group in range(PROCESSES):
                self._start(group)
            for line in self.forge.stdout:
                self._heard(*line.split())
                if not self.running and not self.starting:
                    break
            self.forge.stdin.close()

    def _start(self, group: int) -> None:
        self.starting.append(group)
        people = ",".join(map(str, self.groups[group]))
        left = self.operations - self.counts.total()
        turns = -(-left // (2 * self.people))  # most turns are a take and something with it
        self.forge.stdin.write(f"{self.chance.randrange(10**6)} {max(1, turns)} {people}\n")

    def _heard(self, pid: str, what: str, *more: str) -> None:
        if what == "started":
            self.running[int(pid)] = self.starting.pop(0)
            return
        if what == "done":
            self.running.pop(int(pid), None)
            return
        self.counts[what] += 1
        if what in ("submit", "skip"):
            self.stored.add(more[0])
        if what == "error":
            self.errors.append(" ".join(more))
        total = self.counts.total()
        if total % max(1, self.operations // 100) == 0:
            self._cut_off()
        if total % min(self.operations // 5, KILL_EVERY) == 0 and total < self.operations:
            self._kill()

    def _kill(self) -> None:
        """One process and all its annotators, whatever they are doing; others take their places."""
        if self.running:
            pid = self.chance.choice(sorted(self.running))
            os.kill(pid, signal.SIGKILL)
            self.counts["killed"] += 1
            self._start(self.running.pop(pid))

    def _cut_off(self) -> None:
        """One connection, in the middle of a transaction."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY random() LIMIT 1"
                )
                self.counts["terminated"] += len(cursor.fetchall())


def violations() -> dict[str, list[tuple]]:
    found = {}
    with connection.cursor() as cursor:
        for name, sql in VIOLATIONS.items():
            cursor.execute(sql)
            if rows := cursor.fetchall():
                found[name] = rows[:5]
    return found


def stored_submissions() -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT submission_id FROM feedback_judgment")
        return Counter(str(row[0]).replace("-", "") for row in cursor.fetchall())


@pytest.fixture
def busy(project: Project, make_comparisons, make_rater) -> tuple[list[int], int]:
    """People, and a number of operations that leaves them something to do to the end."""
    operations = OPERATIONS if isinstance(OPERATIONS, int) else OPERATIONS[connection.vendor]
    Project.objects.filter(pk=project.pk).update(overlap=3, lease_seconds=2, batch_size=3, repeat_rate=0.05)
    project.refresh_from_db()
    make_comparisons(project, max(60, operations // 12))
    raters = [make_rater(project, f"person {index}").pk for index in range(PEOPLE[connection.vendor])]
    return raters, operations


@pytest.mark.django_db(transaction=True)
def test_annotators_at_once_and_killed_break_no_invariant(busy, project, make_rater, capsys):
    hammer = Hammer(*busy)
    hammer.run()
    with capsys.disabled():
        if "HAMMER_OPERATIONS" in os.environ:
            print(f"\n{connection.vendor}: {hammer.counts.total()} operations", dict(hammer.counts))  # noqa: T201
    assert hammer.errors == []
    assert violations() == {}
    kept = stored_submissions()
    assert [each for each in hammer.stored if kept[each.replace("-", "")] != 1] == []
    assert {"submit", "resubmit", "skip", "undo", "expire", "release", "killed"} <= set(hammer.counts)
    assert_everything_open_is_given(project, make_rater(project, "the last one"))


def assert_everything_open_is_given(project: Project, rater: Rater) -> None:
    """Nothing has fallen out of the line: one more person is given whatever still has a free slot, each once."""
    Project.objects.filter(pk=project.pk).update(batch_size=50, repeat_rate=0)
    rater.refresh_from_db()
    open_ones = set(QueueItem.objects.filter(slots_free__gt=0).values_list("pk", flat=True))
    given: list[int] = []
    while held := take(rater=rater, count=50):
        given += [assignment.comparison_id for assignment in held]
        Assignment.objects.filter(rater=rater).update(done_at=timezone.now())
    assert sorted(given) == sorted(open_ones)
