"""Of the full project what the registry's pages show: checks, pushes, rounds, and all that an evaluation can say."""

from typing import Any

import numpy as np
from django.contrib.auth.models import User

from alignment.models import Snapshot
from feedback.actions.jobs import queue_job
from feedback.models import Job, JobState, Project
from judges.models import Judge
from trainer.actions.reward_checks import measure, start_reward_check
from trainer.actions.rounds import start_round
from trainer.models import ModelVersion, Push, RewardCheck, Round


def check(
    reward: ModelVersion, snapshot: Snapshot, owner: User, result: dict[str, Any] | None
) -> RewardCheck:
    started = start_reward_check(model_version=reward, snapshot=snapshot, by=owner)
    if result:
        Job.objects.filter(pk=started.job_id).update(state=JobState.SUCCEEDED)
        RewardCheck.objects.filter(pk=started.pk).update(result=result)
    else:
        Job.objects.filter(pk=started.job_id).update(state=JobState.FAILED, message="No more memory.")
    return started


def check_result() -> dict[str, Any]:
    rows = [{"prompt_sha256": f"{n}", "tags": ["even"] if n % 2 else ["odd"]} for n in range(40)]
    return measure(rows, np.random.default_rng(0).normal(1, 1.5, 40))


def push_of(version: ModelVersion, owner: User) -> Push:
    job = queue_job(project=version.project, task="trainer.tasks.perform_push", queue="default", by=owner)
    return Push.objects.create(model_version=version, job=job, repository="ours/tuned", created_by=owner)


def rounds_of(project: Project, owner: User, version: ModelVersion) -> list[Round]:
    """One that has gone all the way, one that is under way."""
    judge = Judge.objects.get(project=project, name="careful")
    made = {"prompts": 4, "responses": 7, "comparisons": 3, "left_out": {"same": 1}, "rejected": 0}
    done = start_round(project=project, by=owner, model_version=version, judges=[judge], most_prompts=4)
    Job.objects.filter(pk__in=[done.job_id, done.generation.job_id]).update(state=JobState.SUCCEEDED)
    done.generation.comparisons.set(project.comparisons.filter(external_id__startswith="q0"))
    done.generation.made, done.routed = made, 3
    done.generation.save()
    done.save()
    return [done, start_round(project=project, by=owner, model_version=version, judges=[judge])]


def more_of_a_result() -> dict[str, Any]:
    """What people, graders and reward models add, and a regression set that got worse."""
    said = {"value": 0.62, "low": 0.5, "high": 0.74, "n": 40, "excluded": 8}
    nothing = {"value": None, "n": 0, "reason": "no data"}
    label = {"label": "late", "support": 9, "given": 10} | dict.fromkeys(("precision", "recall", "f1"), said)
    scored = {"accuracy": said, "macro_f1": said, "other": 2, "labels": [label, label | {"label": "lost"}]}
    grader = {
        "name": "exact v1",
        "pass_mark": 0.5,
        "ran": True,
        "model": said,
        "base": said,
        "difference": said,
    }
    points = [{"n": n, "kl": 0.3 * n, "picked": said | {"value": 0.5 + 0.1 * n}} for n in (1, 2, 4)]
    return {
        "style_controlled": said,
        "words": {"model": 12.0, "base": 10.5},
        "people": {"drawn": 48, "answered": 40, "verdicts": 40, "win_rate": said},
        "prediction_powered": {"win_rate": said, "tuning": 0.7, "effective_n": 71.0},
        "raters": [{"kind": "reward_model", "name": "reward", "win_rate": said}],
        "slices": [{"slice": "even", "pairs": 20, "win_rate": said, "people": nothing}],
        "graders": [grader, grader | {"name": "asks v1", "ran": False, "model": nothing}],
        "classification": {"labels": ["late", "lost"], "model": scored, "base": scored},
        "rewards": [{"name": "reward", "model": said, "base": said, "difference": said}],
        "best_of_n": [
            {
                "reward_model": "reward",
                "points": points,
                "gold": [{"name": "exact v1", "points": [point["picked"] for point in points]}],
            }
        ],
        "regression": {
            "tag": "even",
            "verdict": "worse",
            "win_rate": said | {"value": 0.3, "high": 0.41, "low": 0.2},
            "p_worse": 0.001,
            "p_not_worse": 0.999,
            "margin": 0.05,
        },
    }
