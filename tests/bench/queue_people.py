"""People who take comparisons, the usual query in ours' place, and what goes on beside them. Times in milliseconds."""

import multiprocessing
import random
import select
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

PROCESSES = 4
FORK = multiprocessing.get_context("fork")


def take_once(rater, lapse: float) -> None:
    from feedback.actions.assignments import in_turn
    from feedback.actions.line import lease_next

    with transaction.atomic():
        in_turn(rater, only_taking=True)
        lease_next(rater=rater, until=timezone.now() + timedelta(seconds=lapse))


def people(raters: list[int], a_second: float, seconds: float, lapse: float) -> list[float]:
    """Each of these people takes at a steady rate, all of them together so many a second: every take's time."""
    groups = [raters[index::PROCESSES] for index in range(PROCESSES) if raters[index::PROCESSES]]
    work = [(group, a_second / len(raters), seconds, lapse) for group in groups]
    everybody = (FORK.Barrier(len(groups)),)
    with FORK.Pool(len(groups), initializer=wait_for_each_other, initargs=everybody) as processes:
        return [each for times in processes.starmap(some_people, work, chunksize=1) for each in times]


def wait_for_each_other(barrier) -> None:
    """What each of the processes does first: it keeps where they meet."""
    globals()["all_processes"] = barrier


def some_people(raters: list[int], rate: float, seconds: float, lapse: float) -> list[float]:
    """The same within one process, a thread and a connection for each."""
    from feedback.models import Rater

    everybody = list(Rater.objects.select_related("project").filter(pk__in=raters))
    ready = threading.Barrier(len(everybody), action=globals()["all_processes"].wait)
    with ThreadPoolExecutor(len(everybody)) as threads:
        told = [threads.submit(annotator, rater, rate, seconds, lapse, ready) for rater in everybody]
        return [each for times in told for each in times.result()]


def annotator(rater, rate: float, seconds: float, lapse: float, ready: threading.Barrier) -> list[float]:
    """Takes at a steady rate for so long; what it took is finished every now and then, as answers would.

    It begins once everybody has connected and has their statements prepared.
    """
    from feedback.models import Assignment

    times = []
    for _ in range(10):
        take_once(rater, lapse)
    ready.wait()
    start = time.perf_counter() + 1 + random.random() / rate
    for turn in range(int(seconds * rate)):
        time.sleep(max(0.0, start + turn / rate - time.perf_counter()))
        begun = time.perf_counter()
        take_once(rater, lapse)
        times.append((time.perf_counter() - begun) * 1000)
        if turn % 20 == 19 and lapse > 60:
            Assignment.objects.filter(rater=rater, done_at=None).update(done_at=timezone.now())
    connection.close()
    return times


def one_after_another(rater: int, takes: int) -> list[float]:
    """One person takes without a pause; the first twenty prepare the statements."""
    from feedback.models import Rater

    person = Rater.objects.select_related("project").get(pk=rater)
    times = []
    for _ in range(takes + 20):
        begun = time.perf_counter()
        take_once(person, 3600)
        times.append((time.perf_counter() - begun) * 1000)
    return times[20:]


def usual(rater: int, takes: int) -> list[float]:
    """The query that other platforms use: exclude mine, count what each has, order, then insert."""
    from django.db.models import Count, F, Q

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
    return times


def lead() -> int:
    """Makes a hundred comparisons anywhere more urgent every three seconds; how often."""
    from feedback.actions.assignments import set_priorities
    from feedback.models import QueueItem

    first, last = (QueueItem.objects.order_by(order).first().pk for order in ("pk", "-pk"))

    def reorder() -> None:
        set_priorities({random.randint(first, last): random.randrange(1, 5) for _ in range(100)})

    return again(reorder, every=3)


def reaper() -> int:
    """The sweep, every second in place of every ten; how often."""
    from feedback.actions.assignments import expire_assignments

    return again(expire_assignments, every=1)


def export() -> int:
    """Somebody reads all comparisons in one snapshot, which keeps every dead row where it is; how many rows."""
    read = 0
    with transaction.atomic():
        connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with connection.connection.cursor(name="export") as rows:
            rows.execute("SELECT * FROM feedback_comparison ORDER BY id")
            while goes_on(0.05):
                read += len(rows.fetchmany(2000))
    return read


def again(what, *, every: float) -> int:
    times = 0
    while goes_on(every):
        what()
        times += 1
    return times


def goes_on(seconds: float) -> bool:
    """Waits so long; false once what this goes on beside is over, and the other side has closed our input."""
    return not select.select([sys.stdin], [], [], seconds)[0]
