"""How far one person is in one project, at a cost that grows neither with what they have done nor with the line.

Asked with every answer, so it is two statements, written out.
"""

from dataclasses import dataclass

from django.contrib.auth.models import User

from feedback.models import Project, QueueItem, Rater
from feedback.statements import rows

MOST_COUNTED = 100  # rows of a line looked at
START, END = -(2**62), 2**62  # before and after every ticket

# What the person has answered and holds (some of it answered before, and taken back), for each of their pools, and
# how far they have come in it.
_STANDING = """
SELECT r.answered,
  (SELECT COUNT(*) FROM feedback_assignment a
   WHERE a.rater_id = r.id AND a.done_at IS NULL AND a.expires_at IS NOT NULL),
  (SELECT COUNT(*) FROM feedback_assignment a
   WHERE a.rater_id = r.id AND a.done_at IS NULL AND a.expires_at IS NOT NULL
     AND EXISTS (SELECT 1 FROM feedback_judgment j WHERE j.comparison_id = a.comparison_id AND j.rater_id = r.id)),
  p.id, c.reached
FROM feedback_rater r
JOIN feedback_pool p ON p.project_id = r.project_id
LEFT JOIN feedback_queuecursor c ON c.rater_id = r.id AND c.pool_id = p.id
WHERE r.id = %s
  AND (p.language = '' OR EXISTS (SELECT 1 FROM feedback_qualification k
       WHERE k.rater_id = r.id AND k.kind = 'language' AND k.name = p.language))
  AND (p.skill = '' OR EXISTS (SELECT 1 FROM feedback_qualification k
       WHERE k.rater_id = r.id AND k.kind = 'skill' AND k.name = p.skill))
ORDER BY p.id
"""
# The first rows of a stretch of one line: how many, and how many of them the person was not given.
_STRETCH = """
SELECT COUNT(*), COUNT(CASE WHEN theirs = 0 THEN 1 END) FROM (
  SELECT CASE WHEN EXISTS (SELECT 1 FROM feedback_assignment a
      WHERE a.comparison_id = q.comparison_id AND a.rater_id = %s
        AND (a.done_at IS NOT NULL OR a.expires_at IS NOT NULL))
    OR EXISTS (SELECT 1 FROM feedback_judgment j
      WHERE j.comparison_id = q.comparison_id AND j.rater_id = %s AND j."current") THEN 1 ELSE 0 END AS theirs
  FROM feedback_queueitem q WHERE q.pool_id = %s AND q.ticket > %s AND q.ticket <= %s
  ORDER BY q.ticket LIMIT %s
) looked_at
"""


@dataclass(frozen=True)
class Progress:
    """One person's work in one project. ``left`` counts what the queue would still give them; where there are
    ``more``, it is at least so many.
    """

    done: int
    left: int
    more: bool = False

    @property
    def all(self) -> int:
        return self.done + self.left


def progress_of(rater: Rater) -> Progress:
    """What this person has answered and holds, and what is open near where they stand in each line of theirs."""
    standing = rows(_STANDING, [rater.pk])
    answered, held, again = standing[0][:3] if standing else (rater.answered, 0, 0)
    left, more = 0, False
    for *_, pool, reached in standing:
        seen, new = _look_at(rater, pool, START if reached is None else reached, END)
        if seen < MOST_COUNTED and reached is not None:
            behind, given_back = _look_at(rater, pool, START, reached)
            seen, new = max(seen, behind), new + given_back
        left, more = left + new, more or seen == MOST_COUNTED
    return Progress(done=max(0, answered - again), left=_told(rater.project, left + held), more=more)


def _told(project: Project, left: int) -> int:
    """Rounded up to tens where items that measure people are mixed in: an exact count would tell which they are."""
    mixed = project.gold_rate or project.attention_rate or project.repeat_rate
    return -(-left // 10) * 10 if mixed else left


def progress_in(project: Project, user: User) -> Progress:
    """The same for somebody who may not have judged anything here yet."""
    rater = Rater.objects.filter(project=project, user=user).first()
    if rater:
        return progress_of(rater)
    everything = QueueItem.objects.filter(project_id=project.pk, ticket__isnull=False)
    left = everything[:MOST_COUNTED].count()
    return Progress(done=0, left=left, more=left == MOST_COUNTED)


def _look_at(rater: Rater, pool: int, after: int, up_to: int) -> tuple[int, int]:
    """(rows looked at, rows that this person may be given)."""
    ((seen, new),) = rows(_STRETCH, [rater.pk, rater.pk, pool, after, up_to, MOST_COUNTED])
    return seen, new
