"""What `make bench-queue` runs in processes of its own, with Django set up on the database that is measured.

``python -m tests.bench.queue_work NAME JSON`` calls the function of that name with those arguments; it prints its
times, in milliseconds, as JSON.
"""

import json
import os
import random
import sys
import threading
import time
from datetime import timedelta

import django

WARM_UP = 8.0  # seconds


def take_once(rater, lapse: float) -> None:
    from django.db import transaction
    from django.utils import timezone

    from feedback.actions.assignments import in_turn
    from feedback.actions.line import lease_next

    with transaction.atomic():
        in_turn(rater, lazily=True)
        lease_next(rater=rater, until=timezone.now() + timedelta(seconds=lapse))


def annotator(rater, *, rate: float, seconds: float, lapse: float, times: list[float]) -> None:
    """Takes at a steady rate for so long; what it took is finished every now and then, as answers would."""
    from django.db import connection
    from django.utils import timezone

    from feedback.models import Assignment

    start = time.perf_counter() + WARM_UP + random.random() / rate
    for _ in range(6):  # connects, and prepares the statements
        take_once(rater, lapse)
    for turn in range(int(seconds * rate)):
        time.sleep(max(0.0, start + turn / rate - time.perf_counter()))
        begun = time.perf_counter()
        take_once(rater, lapse)
        times.append((time.perf_counter() - begun) * 1000)
        if turn % 20 == 19 and lapse > 60:
            Assignment.objects.filter(rater=rater, done_at=None).update(done_at=timezone.now())
    connection.close()


def people(raters: list[int], rate: float, seconds: float, lapse: float) -> None:
    """So many annotators in threads; prints every take's time."""
    from feedback.models import Rater

    times: list[float] = []
    threads = [
        threading.Thread(
            target=annotator,
            args=(rater,),
            kwargs={"rate": rate, "seconds": seconds, "lapse": lapse, "times": times},
        )
        for rater in Rater.objects.select_related("project").filter(pk__in=raters)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(times))


def one_after_another(rater: int, takes: int) -> None:
    from feedback.models import Rater

    person = Rater.objects.select_related("project").get(pk=rater)
    times = []
    for turn in range(takes + 20):
        begun = time.perf_counter()
        take_once(person, 3600)
        if turn >= 20:  # the first few prepare the statements
            times.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(times))


def naive(rater: int, takes: int) -> None:
    """The usual way: exclude mine, count what each has, order, then insert."""
    from django.db.models import Count, F, Q
    from django.utils import timezone

    from feedback.models import Assignment, Comparison, Rater

    person = Rater.objects.get(pk=rater)
    times = []
    for _ in range(takes):
        begun = time.perf_counter()
        wanting = (
            Comparison.objects.filter(project=person.project_id, retired_at=None)
            .exclude(assignments__rater=person)
            .annotate(taken=Count("assignments", filter=Q(assignments__done_at__isnull=False), distinct=True))
            .filter(taken__lt=F("overlap"))
        )
        first = wanting.order_by("-queue_item__priority", "pk").first()
        Assignment.objects.create(
            comparison=first, rater=person, shown=(0, 1), done_at=timezone.now(), expires_at=timezone.now()
        )
        times.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(times))


def lead(stop_after: float) -> None:
    """Makes a hundred comparisons anywhere more urgent, twenty times a minute."""
    from feedback.actions.assignments import set_priorities
    from feedback.models import QueueItem

    first, last = (QueueItem.objects.order_by(order).first().pk for order in ("pk", "-pk"))
    until = time.perf_counter() + stop_after
    while time.perf_counter() < until:
        set_priorities({random.randint(first, last): random.randrange(1, 5) for _ in range(100)})
        time.sleep(3)
    print("[]")


def reaper(stop_after: float) -> None:
    """The sweep, every second in place of every ten."""
    from feedback.actions.assignments import expire_assignments

    until = time.perf_counter() + stop_after
    while time.perf_counter() < until:
        expire_assignments()
        time.sleep(1)
    print("[]")


def make_project(people_wanted: int) -> None:
    """One comparison to copy from, and people with sessions; prints their raters and their session keys."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    from feedback.actions.imports import store_records
    from feedback.actions.projects import create_project, rater_of, set_member
    from feedback.records import ComparisonRecord, ResponseRecord

    project = create_project(name="Bench", by=None, overlap=3)
    responses = [ResponseRecord("a", "x", "An answer."), ResponseRecord("b", "y", "Another answer.")]
    prompt = [{"role": "user", "content": "A question?"}]
    store_records(
        project=project, records=[ComparisonRecord(prompt=prompt, responses=responses, line=1)], by=None
    )
    raters, sessions = [], []
    for index in range(people_wanted):
        user = User.objects.create(username=f"person{index}", password="!")
        set_member(project=project, user=user, role="annotator", by=None)
        raters.append(rater_of(project=project, user=user).pk)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        sessions.append(session.session_key)
    print(json.dumps({"raters": raters, "sessions": sessions}))


def copy_comparisons(start: int, stop: int, slots: int) -> None:
    """Copies of the one comparison there is, numbered ``start`` to ``stop``; the first few have their responses too."""
    from django.db import connection

    from feedback.models import Comparison, QueueItem, Slot

    own = {"id": "t.id + g", "external_id": "'copy ' || g"}
    of_both = {"id": "t.id + 2 * g", "comparison_id": "t.comparison_id + g"}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SET session_replication_role = replica"
            )  # the copies are right; let none be checked
        copy(cursor, Comparison, "id", own, start, stop)
        copy(cursor, Slot, "comparison_id", of_both, start, min(stop, slots))
        copy(cursor, QueueItem, "comparison_id", {"comparison_id": "t.comparison_id + g"}, start, stop)
        cursor.execute("ANALYZE")
    print("[]")


def copy(cursor, model, key: str, changes: dict[str, str], start: int, stop: int) -> None:
    """The first comparison's rows of one table again, with other keys: whatever columns the table has."""
    if start >= stop:
        return
    table = model._meta.db_table
    columns = [
        field.column for field in model._meta.concrete_fields if not getattr(field, "generated", False)
    ]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    cursor.execute(
        f"INSERT INTO {table} ({names}) WITH RECURSIVE numbers(g) AS "
        f"(SELECT {start} UNION ALL SELECT g + 1 FROM numbers WHERE g < {stop - 1}) "
        f"SELECT {values} FROM {table} t, numbers WHERE t.{key} = (SELECT min({key}) FROM {table})"
    )


def go_ahead(rater: int, count: int) -> None:
    """This person has judged the first so many, alone: all of them are behind them and still open to others."""
    from django.db import connection
    from django.utils import timezone

    from feedback.models import QueueEpoch, QueueItem

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM feedback_assignment WHERE rater_id = %s", [rater])
        first = QueueItem.objects.order_by("pk").first()
        last = first.pk + count - 1
        epoch = QueueEpoch.objects.get(project=first.project_id).number
        cursor.execute(
            "INSERT INTO feedback_assignment (comparison_id, rater_id, shown, created_at, expires_at, done_at) "
            "SELECT comparison_id, %s, '0,1', %s, %s, %s FROM feedback_queueitem WHERE comparison_id <= %s",
            [rater, *[timezone.now()] * 3, last],
        )
        cursor.execute(
            "UPDATE feedback_queueitem SET slots_free = 2, priority = 0 WHERE comparison_id <= %s", [last]
        )
        cursor.execute(
            "INSERT INTO feedback_queuecursor (rater_id, pool_id, reached, epoch, round_at) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (rater_id, pool_id) DO UPDATE "
            "SET reached = excluded.reached, looked_back = NULL",
            [rater, first.pool_id, last, epoch, timezone.now()],
        )
        cursor.execute("ANALYZE")
    print("[]")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    globals()[sys.argv[1]](*json.loads(sys.argv[2]))
