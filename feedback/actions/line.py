"""The line: which comparison a person is given next, found in about the same time however far they have come.

Each pool's open comparisons stand in one line, by their tickets. A person goes along it ahead of ``reached``, past
which nothing has been looked at. Behind it there may be something for them again: an item that has become more
urgent, a slot that was given back. They look back for it in rounds, a few rows a take, so that neither one who is
100,000 items ahead nor a line whose order keeps changing makes a take slow. When nothing is ahead the whole line
behind is searched, so that nobody is sent away while something waits.

On PostgreSQL the search, the slot, the lease and the cursor are one statement; on SQLite the same parts run one after
the other, which its one writer makes as safe.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from psycopg.types.numeric import Int8

from feedback.actions.sides import shown_in_turn
from feedback.models import Assignment, Rater
from feedback.models.fields import IntTupleField
from feedback.statements import rows, stored

START, END = -(2**62), 2**62  # before and after every ticket
ROUND_ROWS = 200  # looked at behind the cursor in one take
ROUND_EVERY = timedelta(minutes=2)

_SHOWN = IntTupleField()

# What a person may take from, how far they are in each, and the turns of their sides.
_STANDING = """
SELECT p.id, e.number, c.reached, c.looked_back, c.epoch, c.round_at, c.round_at < %(due)s,
  t.responses, t.turns
FROM feedback_rater r
JOIN feedback_pool p ON p.project_id = r.project_id
JOIN feedback_queueepoch e ON e.project_id = r.project_id
LEFT JOIN feedback_queuecursor c ON c.rater_id = r.id AND c.pool_id = p.id
LEFT JOIN feedback_shownturn t ON t.rater_id = r.id
WHERE r.id = %(rater)s
  AND (p.language = '' OR EXISTS (SELECT 1 FROM feedback_qualification k
       WHERE k.rater_id = r.id AND k.kind = 'language' AND k.name = p.language))
  AND (p.skill = '' OR EXISTS (SELECT 1 FROM feedback_qualification k
       WHERE k.rater_id = r.id AND k.kind = 'skill' AND k.name = p.skill))
"""

# The last row of the next part of a round; none where the round ends before it.
_ROUND = """
SELECT ticket FROM feedback_queueitem WHERE pool_id = %s AND ticket > %s AND ticket <= %s
ORDER BY ticket LIMIT 1 OFFSET %s
"""

# The first comparison of one stretch that is not, and was not, this person's. The scalar subqueries keep the planner
# to one probe of an index for each row, whatever its statistics say.
_STRETCH = """
SELECT * FROM (
  SELECT q.comparison_id, q.pool_id, q.responses, q.ticket, {reached} AS reached, {looked_back} AS looked_back,
    %(round_at_{n})s AS round_at,
    (SELECT a.shown FROM feedback_assignment a
     WHERE a.comparison_id = q.comparison_id AND a.rater_id = %(rater)s) AS shown_before,
    CASE q.responses {shown} END AS shown
  FROM feedback_queueitem q
  WHERE q.pool_id = %(pool_{n})s AND q.ticket > %(after_{n})s AND q.ticket <= %(up_to_{n})s
    AND (SELECT 1 FROM feedback_assignment a
         WHERE a.comparison_id = q.comparison_id AND a.rater_id = %(rater)s
           AND (a.done_at IS NOT NULL OR a.expires_at IS NOT NULL) LIMIT 1) IS NULL
    AND (SELECT 1 FROM feedback_judgment j
         WHERE j.comparison_id = q.comparison_id AND j.rater_id = %(rater)s AND j."current" LIMIT 1) IS NULL
  ORDER BY q.ticket LIMIT 1 {lock}
) stretch_{n}
"""

# Nothing is taken where the person's turn with so many responses is not known yet; it is then asked for again.
_SLOT = """
UPDATE feedback_queueitem SET slots_free = slots_free - 1
WHERE comparison_id IN (SELECT comparison_id FROM best WHERE shown IS NOT NULL)
"""
_LEASE = """
INSERT INTO feedback_assignment (comparison_id, rater_id, shown, created_at, expires_at)
SELECT comparison_id, %(rater)s, COALESCE(shown_before, shown), %(now)s, %(until)s FROM best WHERE shown IS NOT NULL
ON CONFLICT (comparison_id, rater_id) DO UPDATE SET expires_at = excluded.expires_at
RETURNING id, comparison_id, shown
"""
_TURN = """
INSERT INTO feedback_shownturn (rater_id, responses, turns)
SELECT %(rater)s, responses, 1 FROM best WHERE shown IS NOT NULL AND shown_before IS NULL
ON CONFLICT (rater_id, responses) DO UPDATE SET turns = feedback_shownturn.turns + 1
"""
_CURSOR = """
INSERT INTO feedback_queuecursor (rater_id, pool_id, reached, looked_back, epoch, round_at)
SELECT %(rater)s, pool_id, reached, looked_back, %(epoch)s, round_at FROM best WHERE shown IS NOT NULL
ON CONFLICT (rater_id, pool_id) DO UPDATE SET reached = excluded.reached, looked_back = excluded.looked_back,
  epoch = excluded.epoch, round_at = excluded.round_at
"""
_AT_ONCE = f"""
WITH best AS ({{best}}), slot AS ({_SLOT}), lease AS ({_LEASE}), turn AS ({_TURN}), moved AS ({_CURSOR})
SELECT best.responses, lease.id, lease.comparison_id, lease.shown FROM best LEFT JOIN lease ON true
"""  # noqa: S608  # our own text


@dataclass(frozen=True)
class _Cursor:
    """A person's ``QueueCursor`` in one pool, or where it would begin; ``round_at`` is as the database keeps it."""

    pool_id: int
    reached: int
    looked_back: int | None
    round_at: Any


@dataclass(frozen=True)
class _Stretch:
    """A part of one pool's line, and where the cursor stands once something in it is taken.

    ``reached`` or ``looked_back`` is the ticket taken: the first in a stretch ahead, the second in one behind.
    """

    cursor: _Cursor
    after: int
    up_to: int
    ahead: bool
    looked_back: int | None = None

    def sql(self, n: int, shown: str, lock: str) -> str:
        kept = f"CAST(%(kept_{n})s AS bigint)"
        reached, looked_back = ("q.ticket", kept) if self.ahead else (kept, "q.ticket")
        return _STRETCH.format(n=n, reached=reached, looked_back=looked_back, shown=shown, lock=lock)

    def parameters(self, n: int) -> dict[str, Any]:
        kept = self.looked_back if self.ahead else self.cursor.reached
        return {
            f"pool_{n}": Int8(self.cursor.pool_id),
            f"after_{n}": Int8(self.after),
            f"up_to_{n}": Int8(self.up_to),
            f"kept_{n}": None if kept is None else Int8(kept),
            f"round_at_{n}": self.cursor.round_at,
        }


@dataclass
class _Standing:
    """Where a person stands in the line of each of their pools, and their turns by number of responses."""

    epoch: int = 0
    cursors: dict[int, _Cursor] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=lambda: {2: 0})


def lease_next(*, rater: Rater, until: datetime) -> Assignment | None:
    """Lease the next comparison to this person until then; None where nothing waits for them.

    Call it in a transaction that holds the person's place (``feedback.actions.assignments.in_turn``).
    """
    now = timezone.now()
    standing = _read(rater, now)
    cursors = standing.cursors.values()
    near = [stretch for cursor in cursors for stretch in _near(cursor)]
    found = _take(rater, standing, near, now, until)
    if found is None:
        behind = [_Stretch(cursor, START, cursor.reached, ahead=False) for cursor in cursors]
        found = _take(rater, standing, [part for part in behind if part.up_to > START], now, until)
    return found


def _read(rater: Rater, now: datetime) -> _Standing:
    standing = _Standing()
    found = rows(_STANDING, {"rater": Int8(rater.pk), "due": stored(now - ROUND_EVERY)})
    for pool, epoch, reached, looked_back, seen, round_at, due, responses, turns in found:
        standing.epoch = epoch
        if responses is not None:
            standing.turns[responses] = turns
        if reached is None:
            standing.cursors[pool] = _Cursor(pool, START, None, stored(now))
        elif seen != epoch or (looked_back is None and due):
            standing.cursors[pool] = _Cursor(pool, reached, START, stored(now))
        else:
            standing.cursors[pool] = _Cursor(pool, reached, looked_back, round_at)
    return standing


def _near(cursor: _Cursor) -> list[_Stretch]:
    """What is ahead, and in a round the next rows behind; past those the round goes on, or ends."""
    if cursor.looked_back is None:
        return [_Stretch(cursor, cursor.reached, END, ahead=True)]
    stretch = [Int8(number) for number in (cursor.pool_id, cursor.looked_back, cursor.reached)]
    found = rows(_ROUND, [*stretch, ROUND_ROWS - 1])
    last = found[0][0] if found else None
    return [
        _Stretch(cursor, cursor.looked_back, cursor.reached if last is None else last, ahead=False),
        _Stretch(cursor, cursor.reached, END, ahead=True, looked_back=last),
    ]


def _take(
    rater: Rater, standing: _Standing, stretches: list[_Stretch], now: datetime, until: datetime
) -> Assignment | None:
    """Take the first of these stretches' first comparisons, together with its slot; None where they have none."""
    if not stretches:
        return None
    parameters = {
        "rater": Int8(rater.pk),
        "epoch": Int8(standing.epoch),
        "now": stored(now),
        "until": stored(until),
    }
    for n, stretch in enumerate(stretches):
        parameters |= stretch.parameters(n)
    for responses, turn in standing.turns.items():
        order = shown_in_turn(rater.pk, responses, turn)
        parameters[f"shown_{responses}"] = _SHOWN.get_prep_value(order)
    cases = " ".join(f"WHEN {responses} THEN %(shown_{responses})s" for responses in sorted(standing.turns))
    run = _at_once if connection.vendor == "postgresql" else _one_by_one
    found = run(stretches, cases, parameters)
    if found is None:
        return None
    responses, *leased = found
    if leased[0] is None:
        standing.turns[responses] = 0
        return _take(rater, standing, stretches, now, until)
    number, comparison, shown = leased
    values = (number, comparison, rater.pk, _SHOWN.to_python(shown), until, None)
    names = ("id", "comparison_id", "rater_id", "shown", "expires_at", "done_at")
    return Assignment.from_db(connection.alias, names, values)


def _best(stretches: list[_Stretch], shown: str, lock: str = "") -> str:
    parts = [stretch.sql(n, shown, lock) for n, stretch in enumerate(stretches)]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) stretches ORDER BY ticket LIMIT 1"  # noqa: S608  # our own text


def _at_once(stretches: list[_Stretch], shown: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    best = _best(stretches, shown, lock="FOR UPDATE OF q SKIP LOCKED")
    return next(iter(rows(_AT_ONCE.format(best=best), parameters)), None)


def _one_by_one(stretches: list[_Stretch], shown: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(_best(stretches, shown), parameters)
        row = cursor.fetchone()
        if row is None:
            return None
        names = [column[0] for column in cursor.description]
        best = dict(zip(names, row, strict=True))
        if best["shown"] is None:
            return best["responses"], None, None, None
        values = ", ".join(f"%(best_{name})s" for name in names)
        found = f"WITH best ({', '.join(names)}) AS (VALUES ({values}))"
        parameters = parameters | {f"best_{name}": value for name, value in best.items()}
        for part in (_SLOT, _TURN, _CURSOR, _LEASE):
            cursor.execute(found + part, parameters)
        return best["responses"], *cursor.fetchone()
