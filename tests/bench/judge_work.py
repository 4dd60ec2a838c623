"""What the benchmark of judges does in processes of its own: set up, run, be killed. See judges.py.

``python -m tests.bench.judge_work NAME '{"argument": …}'`` calls one function and prints what it returns as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from decimal import Decimal
from typing import Any

import django

django.setup()

from django.conf import settings as django_settings  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.models import F, Sum  # noqa: E402

from feedback.actions.imports import store_records  # noqa: E402
from feedback.actions.jobs import perform_job  # noqa: E402
from feedback.actions.projects import create_project  # noqa: E402
from feedback.models import Job, JobState, Judgment, Project, Rubric  # noqa: E402
from feedback.records import ComparisonRecord, ResponseRecord  # noqa: E402
from judges.actions import batches  # noqa: E402
from judges.actions.judges import create_judge  # noqa: E402
from judges.actions.keys import provider_of  # noqa: E402
from judges.actions.questions import Questions  # noqa: E402
from judges.actions.rubrics import create_rubric  # noqa: E402
from judges.actions.runs import carry_out_judge_run, start_judge_run  # noqa: E402
from judges.core.rubric import CriterionText  # noqa: E402
from judges.core.rubrics import built_in_rubric  # noqa: E402
from judges.models import Judge, JudgeCall, JudgeRun  # noqa: E402
from tests.fake_api.world import body_hash  # noqa: E402

MODEL = "claude-opus-5-5"
WORDS = (
    "the",
    "reply",
    "that",
    "is",
    "kind",
    "says",
    "how",
    "to",
    "mend",
    "what",
    "broke",
    "without",
    "many",
    "more",
)
GUIDE = ("helpfulness", "honesty", "harmlessness", "instruction_following", "code")


def prepare(*, comparisons: int, base_url: str, rubric: str = "short", name: str = "judge") -> int:
    """A project with so many comparisons and a judge; the judge's key."""
    project = Project.objects.filter(name="Bench").first()
    if project is None:
        project = create_project(name="Bench", by=None)
        for start in range(0, comparisons, 1000):
            records = [_record(number) for number in range(start, min(start + 1000, comparisons))]
            assert not store_records(project=project, records=records, by=None).rejections
    judge = create_judge(
        project=project,
        name=name,
        provider="anthropic",
        model=MODEL,
        rubric=_rubric(project, rubric),
        settings={"base_url": base_url, "max_tokens": 1000},
        by=None,
    )
    return int(judge.pk)


def run(*, judge: int, mode: str) -> dict[str, Any]:
    """One run from its start to its end, waiting for batches; how it ended and how long it took."""
    batches.SHORTEST_WAIT = 0.2
    started = start_judge_run(judge=Judge.objects.get(pk=judge), mode=mode, by=None)
    began = time.monotonic()
    _perform(started)
    started.refresh_from_db()
    calls = JudgeCall.objects.filter(run=started).aggregate(cost=Sum("cost"))
    return {
        "state": started.job.state,
        "message": started.job.message,
        "done": started.job.done,
        "seconds": time.monotonic() - began,
        "cost": float(calls["cost"] or 0),
    }


def kills(*, judge: int, mode: str, count: int, longest: float, seed: int) -> dict[str, Any]:
    """A run that is killed so often at random moments; then it goes on to its end. Each attempt is a fork.

    ``sends`` holds for each request the hash of its body, how often it was sent and not surely turned away, and
    whether its reply is stored.
    """
    batches.SHORTEST_WAIT, batches.SETTLE_SECONDS = 0.0, 1.0
    draw = random.Random(seed)
    started = start_judge_run(judge=Judge.objects.get(pk=judge), mode=mode, by=None)
    warm_up(started.judge)
    killed = 0
    while killed < count:
        _free(started)
        if _attempt(started, draw.uniform(0.0, longest)):
            killed += 1
        if Job.objects.get(pk=started.job_id).state == JobState.SUCCEEDED:
            break
    _free(started)
    _perform(started)
    started.refresh_from_db()
    return {
        "killed": killed,
        "state": started.job.state,
        "message": started.job.message,
        **_told(started, mode),
    }


def warm_up(judge: Judge) -> None:
    """Load what a worker has loaded before its first job."""
    import anthropic.resources.messages  # noqa: F401

    provider_of(judge)


def bodies(*, judge: int) -> list[dict[str, Any]]:
    """The bodies of all requests of a judge, for those who send them by themselves."""
    found = Judge.objects.get(pk=judge)
    provider, questions = provider_of(found), Questions.of(found)
    comparisons = found.project.comparisons.select_related("prompt").prefetch_related("slots__response")
    return [
        provider._params(call.request)
        for row in comparisons.order_by("pk").iterator(chunk_size=200)
        for call in questions.calls(row)
    ]


def _attempt(started: JudgeRun, seconds: float) -> bool:
    """Whether the attempt had to be killed."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            perform_job(started.job_id, carry_out_judge_run)
        finally:
            os._exit(0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _free(started: JudgeRun) -> None:
    """What the sweep does, without waiting for the lease to end."""
    unfinished = Job.objects.filter(pk=started.job_id).exclude(state=JobState.SUCCEEDED)
    unfinished.update(
        state=JobState.QUEUED, not_before=None, lease_until=None, max_attempts=F("attempts") + 3
    )


def _perform(started: JudgeRun) -> None:
    while True:
        perform_job(started.job_id, carry_out_judge_run)
        started.job.refresh_from_db()
        if started.job.state != JobState.QUEUED:
            return
        time.sleep(0.2)


def _told(started: JudgeRun, mode: str) -> dict[str, Any]:
    provider, questions = provider_of(started.judge), Questions.of(started.judge)
    rows = {row.request_sha256: row for row in JudgeCall.objects.filter(judge=started.judge)}
    comparisons = started.judge.project.comparisons.select_related("prompt").prefetch_related(
        "slots__response"
    )
    sends = {}
    for comparison in comparisons:
        for call in questions.calls(comparison):
            row = rows[call.sha256]
            body = provider._params(call.request, batch=mode == "batch")
            sends[body_hash(body)] = (row.times_sent - row.times_unpaid, row.answered_at is not None)
    sums = JudgeCall.objects.filter(judge=started.judge).aggregate(cost=Sum("cost"), held=Sum("held"))
    return {
        "sends": sends,
        "judgments": Judgment.objects.filter(rater=started.judge.rater, current=True).count(),
        "cost": str(sums["cost"] or 0),
        "held": str(sums["held"] or 0),
    }


def _record(number: int) -> ComparisonRecord:
    draw = random.Random(number)
    texts = [" ".join(draw.choices(WORDS, k=length)) for length in (30, 90, 90)]
    return ComparisonRecord(
        key=f"q{number}",
        prompt=[{"role": "user", "content": f"Ticket {number}: {texts[0]}?"}],
        responses=[
            ResponseRecord("a", "model-x", f"{texts[1]} [[quality {draw.random():.2f}]]"),
            ResponseRecord("b", "model-y", f"{texts[2]} [[quality {draw.random():.2f}]]"),
        ],
        line=number + 1,
    )


def _rubric(project: Project, name: str) -> Rubric:
    """``short``: a sentence. ``guide``: the built-in rubrics as a guideline, for a verdict without scores. Else one."""
    if name == "short":
        return create_rubric(project=project, name=name, instructions="Prefer the kind reply.", by=None)
    texts = [built_in_rubric(key) for key in (GUIDE if name == "guide" else (name,))]
    if name == "guide":
        written = "\n\n".join(
            f"# {text.name}\n{text.instructions}\n\n" + "\n".join(map(_in_words, text.criteria))
            for text in texts
        )
        return create_rubric(project=project, name=name, instructions=written, by=None)
    (text,) = texts
    return create_rubric(
        project=project, name=name, instructions=text.instructions, criteria=text.criteria, by=None
    )


def _in_words(criterion: CriterionText) -> str:
    anchors = "; ".join(f"{level} means {anchor}" for level, anchor in sorted(criterion.anchors.items()))
    return f"{criterion.name}: {criterion.description} {anchors}"


if __name__ == "__main__":
    django_settings.JUDGE_HOSTS = os.environ["BENCH_HOSTS"].split(",")
    print(
        json.dumps(
            globals()[sys.argv[1]](**json.loads(sys.argv[2])),
            default=lambda value: float(value) if isinstance(value, Decimal) else str(value),
        )
    )
