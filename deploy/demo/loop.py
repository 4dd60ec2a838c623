"""One turn of the loop on the help desk, every step by the same actions, workers and runner that a project uses.

The generator's truth is used in two places only: to play people, and at the very end to say how wrong the labels
and how good the models are.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from alignment.actions.labels import apply_policy
from alignment.actions.policies import create_policy
from alignment.actions.routing import route_to_people
from alignment.actions.snapshots import freeze_snapshot
from alignment.models import Labelling, Policy, Snapshot
from deploy.credentials import ensure_log_ins
from deploy.demo import helpdesk, judges, people, world
from feedback.actions.assignments import ask_people
from feedback.actions.imports import store_records
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import UNFINISHED, Job, JobState, Project
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.actions.runs import start_judge_run
from judges.core.rubric import CriterionText
from judges.models import Judge, JudgeRun
from trainer.actions.evaluations import start_evaluation
from trainer.actions.measuring import finish_evaluation
from trainer.actions.runs import start_run
from trainer.folders import model_folder
from trainer.models import Evaluation, ModelVersion, Run

GUIDELINES = """\
You see a customer's message and two replies of our help desk. Which reply would you send?

- It **apologises** for the trouble.
- It **offers an action**: replace, repair, refund and so on.
- It is **short**: no thanks for the message, no wishes for the day.

If both do equally well, call it a tie.
"""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Scale:
    """How much of everything. The demo runs FULL; SMALL is the same loop in the time a test has."""

    items: int = 12
    hidden: int = 64
    sft_steps: int = 130
    samples: int = 6
    pairs: int = 4
    people_see: int = 450  # comparisons that each go to three people
    reward_steps: int = 60
    dpo_steps: int = 50
    evaluation_samples: int = 4


FULL = Scale()
SMALL = Scale(
    items=6,
    hidden=48,
    sft_steps=100,
    people_see=150,
    pairs=4,
    reward_steps=30,
    dpo_steps=30,
    evaluation_samples=3,
)
OVERLAP = 3
# People's majority contradicts one in twenty of the careful judge's labels, and one in eight of those on deliveries,
# where two judges count: so what is tolerated here is shown on most slices, and some go to people.
POLICY = {"min_confidence": 0.9, "max_error": 0.15, "conflict": "people_win", "ties": "keep"}


@dataclass
class Turn:
    """What one turn of the loop has made so far, and how long each stage took, in seconds.

    ``tend`` is called while waiting for a worker: it keeps the workers running.
    """

    seed: int
    scale: Scale
    say: Callable[[str], object]
    tend: Callable[[], object]
    seconds: dict[str, float] = field(default_factory=dict)
    requeued: int = 0

    project: Project = field(init=False)
    train: list[helpdesk.Ticket] = field(init=False)
    held_out: list[helpdesk.Ticket] = field(init=False)
    judges: list[Judge] = field(init=False)
    policy: Policy = field(init=False)
    labelling: Labelling = field(init=False)
    snapshot: Snapshot = field(init=False)
    base: ModelVersion = field(init=False)
    reward_model: ModelVersion = field(init=False)
    policy_model: ModelVersion = field(init=False)
    evaluation: Evaluation = field(init=False)

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Time a stage and say when it is done."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
        self.say(f"  {what:<66} {self.seconds[name]:6.1f} s")


def run_loop(*, seed: int, scale: Scale, say: Callable[[str], object], tend: Callable[[], object]) -> Turn:
    """One whole turn. Workers must be running. Refused where a stage fails, with the reason."""
    turn = Turn(seed=seed, scale=scale, say=say, tend=tend)
    with turn.stage("base_model", "trained a tiny language model on the help desk's archive"):
        _base_model(turn)
    with turn.stage("responses", "sampled its replies, and paired them into comparisons"):
        _comparisons(turn)
    judging = _start_judges(turn)
    with turn.stage("people", "simulated people judged a random part of them, by the queue"):
        _people(turn)
    with turn.stage("judges", "meanwhile three offline judges judged all of them, in both orders"):
        for run in judging:
            _wait(turn, run.job, f"the judge {run.judge.name}")
    with turn.stage("labels", "measured agreement; the policy decided on every comparison"):
        _labels(turn)
    with turn.stage("snapshot", "froze the labels that are used into a snapshot"):
        turn.snapshot = freeze_snapshot(project=turn.project, policy=turn.policy, by=None, seed=seed)
    with turn.stage("reward_model", "trained a reward model on the snapshot (TRL)"):
        turn.reward_model = _train(turn, "reward", {"learning_rate": 2e-3, "max_steps": scale.reward_steps})
    with turn.stage("policy_model", "trained a DPO policy on the snapshot (TRL)"):
        turn.policy_model = _train(turn, "dpo", _DPO | {"max_steps": scale.dpo_steps})
    with turn.stage("evaluation", "compared the policy with its base on held-out prompts"):
        _evaluate(turn)
    with turn.stage("requeue", "sent what is uncertain back to people"):
        turn.requeued = route_to_people(policy=turn.policy, by=None)
    return turn


_DPO: dict[str, Any] = {
    "learning_rate": 5e-4,
    "beta": 0.1,
    "loss_type": ["sigmoid", "sft"],
    "loss_weights": [1.0, 0.5],
}
_TRAINING: dict[str, Any] = {
    "batch_size": 32,
    "max_length": world.MAX_LENGTH,
    "logging_steps": 2,
    "save_steps": 20,
}


def _base_model(turn: Turn) -> None:
    seed, scale = turn.seed, turn.scale
    turn.project = create_project(
        name=_free_name(f"Help desk demo, seed {seed}"),
        by=None,
        description="Made up by a generator; its people are simulated.",
        guidelines=GUIDELINES,
        overlap=0,
    )
    ensure_log_ins(turn.project)
    turn.train, turn.held_out = helpdesk.tickets(seed, items=scale.items)
    archive = helpdesk.demonstrations(turn.train, seed)
    folder = _folder(turn)
    world.write_demonstrations(folder / "archive", archive)
    texts = [ticket.text for ticket in turn.train] + [text for _, text in archive]
    world.write_untrained_model(folder / "untrained", texts, hidden=scale.hidden, seed=seed)
    run = start_run(
        project=turn.project,
        method="sft",
        base=folder / "untrained",
        dataset=folder / "archive",
        name="base",
        parameters=_TRAINING
        | {
            "max_steps": scale.sft_steps,
            "learning_rate": 5e-3,
            "warmup_steps": 5,
            "logging_steps": 5,
            "save_steps": 100,
        },
        seed=seed,
        by=None,
    )
    turn.base = _model_of(turn, run)


def _comparisons(turn: Turn) -> None:
    replies = world.sample_replies(
        _folder(turn) / "samples",
        model_folder(turn.base),
        turn.train,
        samples=turn.scale.samples,
        seed=turn.seed,
    )
    records = world.comparison_records(
        turn.train, replies, pairs=turn.scale.pairs, source=turn.base.name, seed=turn.seed
    )
    summary = store_records(project=turn.project, records=records, by=None)
    if summary.rejections:
        raise Refused(f"A comparison of the demo was rejected: {summary.rejections[0].reason}.")


def _people(turn: Turn) -> None:
    ids = list(turn.project.comparisons.order_by("pk").values_list("pk", flat=True))
    chosen = random.Random(f"{turn.seed}:people").sample(ids, min(turn.scale.people_see, len(ids)))
    ask_people(chosen, overlap=OVERLAP)
    people.work_through_queue(people.hire(turn.project, turn.seed))


def _start_judges(turn: Turn) -> list[JudgeRun]:
    criterion = CriterionText(name="helpfulness", description="Apologises, offers an action, and is short.")
    rubric = create_rubric(
        project=turn.project, name="help desk", instructions=GUIDELINES, criteria=[criterion], by=None
    )
    turn.judges = [
        create_judge(
            project=turn.project,
            name=name,
            provider="rules",
            model="rules",
            rubric=rubric,
            settings=rules,
            family="rules",
            by=None,
        )
        for name, rules in judges.judge_settings(turn.seed).items()
    ]
    return [start_judge_run(judge=judge, by=None) for judge in turn.judges]


def _labels(turn: Turn) -> None:
    turn.policy = create_policy(project=turn.project, name="default", document=POLICY, by=None)
    turn.labelling = apply_policy(policy=turn.policy, by=None)
    _wait(turn, turn.labelling.job, "the policy")
    turn.labelling.refresh_from_db()


def _train(turn: Turn, method: str, parameters: dict[str, Any]) -> ModelVersion:
    run = start_run(
        project=turn.project,
        method=method,
        base=turn.base,
        snapshot=turn.snapshot,
        name="reward model" if method == "reward" else "policy",
        parameters=_TRAINING | parameters,
        seed=turn.seed,
        by=None,
    )
    return _model_of(turn, run)


def _evaluate(turn: Turn) -> None:
    trusted = {
        entry["judge"]
        for entry in turn.labelling.certificates
        if entry["trusted"] and entry["slice"] == "all"
    }
    certified = [judge for judge in turn.judges if judge.rater.name in trusted]
    if not certified:
        raise Refused("No judge is trusted on all slices, so none may judge the policy against its base.")
    turn.evaluation = start_evaluation(
        model_version=turn.policy_model,
        base=turn.base,
        prompts=[ticket.messages for ticket in turn.held_out],
        samples=turn.scale.evaluation_samples,
        parameters={"max_new_tokens": world.REPLY_TOKENS, "batch_size": 64, "max_length": world.MAX_LENGTH},
        judges=certified,
        seed=turn.seed,
        by=None,
    )
    _wait(turn, turn.evaluation.job, "the evaluation")
    for run in turn.evaluation.judge_runs.select_related("job"):
        _wait(turn, run.job, "the judging of the evaluation")
    finish_evaluation(evaluation=turn.evaluation, by=None)


def _model_of(turn: Turn, run: Run) -> ModelVersion:
    _wait(turn, run.job, f"the run {run.name!r}")
    return ModelVersion.objects.get(run=run)


def _wait(turn: Turn, job: Job, what: str) -> None:
    """Wait for a worker to end the job; Refused with the job's own sentence unless it succeeded."""
    while True:
        job.refresh_from_db()
        if job.state == JobState.SUCCEEDED:
            return
        if job.state not in UNFINISHED:
            raise Refused(f"The demo stopped: {what} {job.state}. {job.message}")
        turn.tend()
        time.sleep(POLL_SECONDS)


def _folder(turn: Turn) -> Path:
    return Path(settings.VAR) / "demo" / turn.project.slug


def _free_name(name: str) -> str:
    taken = set(Project.objects.filter(name__startswith=name).values_list("name", flat=True))
    number = 2
    free = name
    while free in taken:
        free = f"{name} ({number})"
        number += 1
    return free
