"""Attack runs: a judge is asked about pairs of responses with and without an attack in the worse one."""

from collections.abc import Iterator, Sequence
from itertools import islice

from django.db import transaction

from feedback.actions.audit import record
from feedback.actions.jobs import JobInterrupted, Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED
from feedback.people import Person
from judges.actions.calls import ask
from judges.core.attacks import ATTACKS, PAIRS, Attack, AttackOutcome, outcome_of, planted, requests_on
from judges.core.rendering import JudgeText
from judges.core.request import Request
from judges.core.verdict import CallVerdict, read_verdict
from judges.models import AttackResult, AttackRun, CallPurpose, Judge
from judges.queries import judge_text

DEFAULT_PAIRS = 3
AT_ONCE = 12  # attacks: what is asked between two looks at the lease


def start_attack_run(*, judge: Judge, by: Person, pairs: int = DEFAULT_PAIRS) -> AttackRun:
    """Queue all attacks on so many pairs. Refused: no such number of pairs, or a run of it that is under way."""
    if not 1 <= pairs <= len(PAIRS):
        raise Refused(f"Attacks are planted on 1 to {len(PAIRS)} pairs.", field="pairs")
    with transaction.atomic():
        Judge.objects.select_for_update().get(pk=judge.pk)
        if AttackRun.objects.filter(judge=judge, job__state__in=UNFINISHED).exists():
            raise Refused(f"{judge} is being attacked already; wait for the end of that run, or cancel it.")
        job = queue_job(project=judge.project, task="judges.tasks.perform_attack_run", queue="judge", by=by)
        run = AttackRun.objects.create(judge=judge, job=job, pairs=pairs, created_by=by)
        record(by=by, verb="start", target=run, project=judge.project, judge=str(judge), pairs=pairs)
    return run


def requests_of_attack_run(judge: JudgeText, pairs: int) -> Iterator[Request]:
    """Everything that a run asks, for an estimate of its cost."""
    for pair in PAIRS[:pairs]:
        yield from requests_on(judge, pair, pair.worse)
        for attack in ATTACKS:
            yield from planted(attack, judge, pair)


def carry_out_attack_run(lease: Lease) -> None:
    """Ask about what has no result yet, a few attacks at a time. Calls without a reply are asked when resumed."""
    run = AttackRun.objects.select_related("judge__rubric", "judge__project", "created_by").get(
        job_id=lease.job_id
    )
    stored = set(AttackResult.objects.filter(run=run).values_list("attack", "pair"))
    total, text = run.pairs * len(ATTACKS), judge_text(run.judge)
    lease.report(len(stored), total, "")
    for pair in range(run.pairs):
        left = iter([attack for attack in ATTACKS if (attack.id, pair) not in stored])
        while attacks := list(islice(left, AT_ONCE)):
            outcomes = _outcomes(run, text, pair, attacks)
            AttackResult.objects.bulk_create(AttackResult(run=run, **vars(outcome)) for outcome in outcomes)
            lease.report(AttackResult.objects.filter(run=run).count(), total)
    missing = total - AttackResult.objects.filter(run=run).count()
    if missing:
        raise JobInterrupted(f"{missing} attacks got no reply; resume the run to ask again.")


def _outcomes(run: AttackRun, judge: JudgeText, pair: int, attacks: Sequence[Attack]) -> list[AttackOutcome]:
    """Those of the attacks whose calls all have replies."""
    control = requests_on(judge, PAIRS[pair], PAIRS[pair].worse)
    asked = [planted(attack, judge, PAIRS[pair]) for attack in attacks]
    said = _asked(run, [*control, *(request for requests in asked for request in requests)])
    found = []
    for attack, requests in zip(attacks, asked, strict=True):
        if all(request.sha256() in said for request in (*control, *requests)):
            verdicts = [[said[request.sha256()] for request in group] for group in (control, requests)]
            found.append(outcome_of(attack, pair, judge, *verdicts))
    return found


def _asked(run: AttackRun, requests: Sequence[Request]) -> dict[str, CallVerdict]:
    """The verdicts of the requests that got a reply, by their hash."""
    calls = ask(judge=run.judge, requests=requests, by=run.created_by, purpose=CallPurpose.ATTACK)
    return {
        request.sha256(): read_verdict(request, call.reply, call.stop_reason)
        for request, call in zip(requests, calls, strict=True)
        if call.answered_at is not None
    }
