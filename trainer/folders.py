"""Where the files of runs lie: all under settings.RUNS_ROOT, which can be moved as a whole."""

from pathlib import Path

from django.conf import settings

from trainer.models import Evaluation, Generation, ModelVersion, Preflight, RewardCheck, Run, Scoring


def run_folder(run: Run) -> Path:
    """The folder of spec.json, events.jsonl, the checkpoints and the result."""
    return Path(settings.RUNS_ROOT) / str(run.pk)


def evaluation_folder(evaluation: Evaluation) -> Path:
    """The folder of the prompts, with a folder for each of the two models."""
    return Path(settings.RUNS_ROOT) / f"evaluation-{evaluation.pk}"


def scoring_folder(scoring: Scoring) -> Path:
    """The folder of the rows to be scored, and of their scores."""
    return Path(settings.RUNS_ROOT) / f"scoring-{scoring.pk}"


def reward_check_folder(check: RewardCheck) -> Path:
    """The folder of the held-out rows, and of their scores."""
    return Path(settings.RUNS_ROOT) / f"reward-check-{check.pk}"


def generation_folder(generation: Generation) -> Path:
    """The folder of the prompts and of the new responses."""
    return Path(settings.RUNS_ROOT) / f"generation-{generation.pk}"


def preflight_folder(preflight: Preflight) -> Path:
    """The folder in which a few steps are timed; deleted afterwards."""
    return Path(settings.RUNS_ROOT) / f"check-{preflight.pk}"


def model_folder(version: ModelVersion) -> Path:
    """The folder of the weights."""
    return Path(settings.RUNS_ROOT) / version.path
