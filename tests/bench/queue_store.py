"""What the queue's benchmark works on: a project, people, and as many comparisons as wanted, made by the database.

The comparisons are copies of one. The first of them have responses of their own, as those that people meet do.
"""

from django.db import connection
from django.utils import timezone

ANSWER = """Three things decide it, and the order matters:

1. **Measure first.** Run it on the real data, not on a sample of ten rows.
2. Keep what is *slow and rare*; replace what is slow and frequent.
3. Write down what you saw, so that nobody measures it again next year.

```python
def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
```

With an even number of values the two in the middle are averaged, which is what most people expect. If the list
can be empty, say what should happen then: an error with a sentence is better than a number that means nothing.
"""
QUESTION = "How do I find the middle value of a list in Python, and when is it slow?"


def make_project(people: int) -> dict[str, list]:
    """One comparison to copy from, and people with sessions: their raters and their session keys."""
    from django.contrib.auth.models import User

    from feedback.actions.imports import store_records
    from feedback.actions.projects import create_project, rater_of, set_member
    from feedback.records import ComparisonRecord, ResponseRecord

    project = create_project(name="Bench", by=None, overlap=3)
    responses = [ResponseRecord("a", "x", ANSWER), ResponseRecord("b", "y", ANSWER.replace("middle", "mid"))]
    prompt = [{"role": "user", "content": QUESTION}]
    store_records(
        project=project, records=[ComparisonRecord(prompt=prompt, responses=responses, line=1)], by=None
    )
    raters, sessions = [], []
    for index in range(people):
        user = User.objects.create(username=f"person{index}", password="!")
        set_member(project=project, user=user, role="annotator", by=None)
        raters.append(rater_of(project=project, user=user).pk)
        sessions.append(session_of(user))
    return {"raters": raters, "sessions": sessions}


def session_of(user) -> str:
    """The key of a session in which this user is logged in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key


def copy_comparisons(start: int, stop: int, slots: int, bare: bool) -> None:
    """Copies of the one comparison there is, numbered ``start`` to ``stop``; those up to ``slots`` have responses.

    ``bare`` leaves out the indexes that no take reads: ten million rows of them would take the longest.
    """
    from feedback.models import Comparison, QueueItem, Response, Slot

    own = {"id": "t.id + g", "external_id": "'copy ' || g"}
    of_both = {
        "id": "t.id + 2 * g",
        "comparison_id": "t.comparison_id + g",
        "response_id": "t.response_id + 2 * g",
    }
    # No two answers are the same to whoever renders them.
    of_each = {"id": "t.id + 2 * g", "text": "t.text || ' ' || g", "sha256": "substr(t.sha256, 1, 40) || g"}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The copies are right; let none be checked.
            cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            if bare:
                drop_indexes(cursor, Comparison)
        copy(cursor, Comparison, "id", own, start, stop)
        copy(cursor, Response, "id", of_each, start, min(stop, slots), rows=2)
        copy(cursor, Slot, "comparison_id", of_both, start, min(stop, slots))
        copy(cursor, QueueItem, "comparison_id", {"comparison_id": "t.comparison_id + g"}, start, stop)
        settle(cursor)


def drop_indexes(cursor, model) -> None:
    """All of a table's but its key."""
    table = model._meta.db_table
    cursor.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'u'", [table]
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary",
        [table],
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX {name}")


def copy(cursor, model, key: str, changes: dict[str, str], start: int, stop: int, *, rows: int = 1) -> None:
    """The first comparison's rows of one table again, with other keys: whatever columns the table has.

    They are those with the first so many values of ``key``.
    """
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
        f"SELECT {values} FROM {table} t, numbers WHERE t.{key} < {rows} + (SELECT min({key}) FROM {table})"
    )


def go_ahead(rater: int, count: int) -> None:
    """This person has judged the first so many, alone: all of them are behind them and still open to others."""
    from feedback.models import QueueEpoch, QueueItem

    first = QueueItem.objects.order_by("pk").first()
    last = first.pk + count - 1
    epoch = QueueEpoch.objects.get(project=first.project_id).number
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM feedback_assignment WHERE rater_id = %s", [rater])
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
        settle(cursor)


def settle(cursor) -> None:
    """The tables as they are some time after such a change."""
    if connection.vendor == "postgresql":
        for table in ("queueitem", "assignment", "comparison"):
            cursor.execute(f"VACUUM (ANALYZE) feedback_{table}")
    cursor.execute("ANALYZE")
