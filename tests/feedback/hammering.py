"""Annotators who hammer the queue, in processes that can be killed; ``test_hammer.py`` starts this and reads along.

It loads Django once, then forks a process for each line "SEED OPERATIONS RATER,RATER,…" on its input, with a thread
and a connection for each of those raters. Every operation that is over is told in a line: who did what.
"""

import os
import random
import sys
import threading
import uuid

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
django.setup()

from django.db import DatabaseError, InterfaceError, OperationalError, connection  # noqa: E402

from feedback.actions.assignments import (  # noqa: E402
    ask_people,
    expire_assignments,
    heartbeat,
    release_assignment,
    reopen,
    set_priorities,
    take,
    undo_last,
)
from feedback.actions.judgments import submit_judgment  # noqa: E402
from feedback.answers import Verdict  # noqa: E402
from feedback.errors import Refused  # noqa: E402
from feedback.models import Assignment, Outcome, Project, QueueItem, Rater  # noqa: E402
from feedback.queries.comparisons import load_comparison  # noqa: E402
from feedback.statements import objects  # noqa: E402


def tell(*words: object) -> None:
    """One line, whole, in one write: several processes share the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def submit(rater: Rater, chance: random.Random, given: Assignment, verdict: Verdict, what: str) -> None:
    submission = uuid.uuid4()
    for what_now in (what, "resubmit")[: chance.choice((1, 1, 2))]:
        load_comparison(given, rater)
        submit_judgment(rater=rater, comparison=given.comparison, submission_id=submission, verdict=verdict)
        tell(os.getpid(), what_now, submission)


def lead(chance: random.Random) -> None:
    """What a lead does meanwhile: make comparisons urgent, ask more people, ask again."""
    some = [chance.randrange(1, 1 + QueueItem.objects.order_by("-pk")[0].pk) for _ in range(20)]
    chance.choice(
        (
            lambda: set_priorities(dict.fromkeys(some, chance.randrange(5))),
            lambda: reopen(some, priority=chance.randrange(5)),
            lambda: ask_people(some, overlap=4),
        )
    )()


def act(rater: Rater, chance: random.Random) -> None:
    move = chance.random()
    if move < 0.01:
        lead(chance)
        return tell(os.getpid(), "lead")
    if move < 0.06:
        expire_assignments()
        return tell(os.getpid(), "expire")
    if move < 0.11:
        undo_last(rater=rater)
        return tell(os.getpid(), "undo")
    held = take(rater=rater, count=chance.choice((1, 1, 2, 3)))
    tell(os.getpid(), "take" if held else "nothing")
    if not held:
        return None
    given = chance.choice(held)
    if move < 0.17:
        release_assignment(rater=rater, comparison_id=given.comparison_id)
        return tell(os.getpid(), "release")
    if move < 0.22:
        heartbeat(rater=rater, comparison_ids=[each.comparison_id for each in held])
        return tell(os.getpid(), "heartbeat")
    if move < 0.30:
        return submit(rater, chance, given, Verdict(outcome=Outcome.SKIPPED, rationale="unsure"), "skip")
    return submit(rater, chance, given, Verdict(ranking=chance.choice(((1, 2), (2, 1), (1, 1)))), "submit")


def person(rater_id: int, project: Project) -> Rater:
    """The rater as they are now, as each request reads them."""
    (rater,) = objects(Rater, "SELECT * FROM feedback_rater WHERE id = %s", [rater_id])
    rater.project = project
    return rater


def annotate(rater_id: int, others: list[int], seed: int, operations: int) -> None:
    """One annotator. Now and then somebody's second window does the same: another thread's person."""
    chance = random.Random(seed)
    project = Rater.objects.select_related("project").get(pk=rater_id).project
    for _ in range(operations):
        who = chance.choice(others) if chance.random() < 0.1 else rater_id
        try:
            act(person(who, project), chance)
        except Refused:
            tell(os.getpid(), "refused")
        except (OperationalError, InterfaceError):
            connection.close()
            tell(os.getpid(), "cut_off")
        except DatabaseError as error:
            tell(os.getpid(), "error", type(error).__name__, str(error).split("\n")[0])
        except Exception as error:
            tell(os.getpid(), "error", type(error).__name__, str(error).split("\n")[0])
    connection.close()


def work(line: str) -> None:
    seed, operations, raters = line.split()
    everybody = [int(number) for number in raters.split(",")]
    threads = [
        threading.Thread(target=annotate, args=(rater, everybody, int(seed) * 1000 + index, int(operations)))
        for index, rater in enumerate(everybody)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            work(line)
            tell(os.getpid(), "done")
            os._exit(0)
        tell(child, "started")


if __name__ == "__main__":
    main()
