"""A tiny model and small datasets that the real trainers run on, made once a session."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.db import connection

from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from alignment.actions.snapshots import freeze_snapshot
from alignment.models import Snapshot
from deploy.demo.tiny_model import build_tiny_model
from feedback.actions.imports import store_records
from feedback.actions.jobs import perform_job
from feedback.models import Project
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord
from trainer.actions.model_versions import register_base
from trainer.models import ModelVersion

ROOT = Path(__file__).parents[2]

ITEMS = ("lamp", "chair", "phone", "kettle", "radio", "clock")
PROBLEMS = ("broken", "late", "missing", "wrong")
PROMPTS = [f"My {item} is {problem}." for item in ITEMS for problem in PROBLEMS]
GOOD = "Sorry about that. We will replace it today."
BAD = "That is not my concern."


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def preference_row(prompt: str, chosen: str = GOOD, rejected: str = BAD) -> dict[str, object]:
    return {
        "prompt": turn("user", prompt),
        "chosen": turn("assistant", chosen),
        "rejected": turn("assistant", rejected),
        "weight": 0.5,
    }


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_tiny_model(folder, [*PROMPTS, GOOD, BAD], hidden=48, layers=2, vocabulary=420, seed=0)
    return folder


@pytest.fixture(scope="session")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 prompts to train on and 4 to test, two rows a prompt; one row too long, one with equal responses."""
    folder = tmp_path_factory.mktemp("preferences")
    rows = [preference_row(prompt) for prompt in PROMPTS for _ in range(2)]
    unusable = [preference_row("word " * 200), preference_row("My desk is late.", chosen=BAD)]
    write_rows(folder / "train.parquet", [*rows[:40], *unusable])
    write_rows(folder / "test.parquet", rows[40:])
    return folder


@pytest.fixture(scope="session")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversations")
    rows: list[dict[str, object]] = [
        {"prompt": turn("user", prompt), "completion": turn("assistant", GOOD)} for prompt in PROMPTS
    ]
    write_rows(folder / "train.parquet", rows[:20])
    write_rows(folder / "test.parquet", rows[20:])
    return folder


@pytest.fixture
def snapshot(project: Project) -> Snapshot:
    """The good responses preferred to the bad ones by two people, labelled and frozen."""
    judgments = [JudgmentRecord(name, ranking={"good": 1, "bad": 2}) for name in ("ana", "ben")]
    responses = [ResponseRecord("good", "m", GOOD), ResponseRecord("bad", "m", BAD)]
    records = [
        ComparisonRecord(prompt=turn("user", prompt), responses=responses, judgments=judgments)
        for prompt in PROMPTS
    ]
    store_records(project=project, records=records, by=None)
    policy = create_policy(project=project, name="people", document={}, by=None)
    perform_job(apply_policy(policy=policy, by=None).job_id, carry_out_labelling)
    return freeze_snapshot(project=project, policy=policy, by=None, test_share=0.25)


@pytest.fixture
def policy_model(project: Project, tiny_model: Path) -> ModelVersion:
    """The tiny model, registered as one that came from elsewhere."""
    return register_base(project=project, folder=tiny_model, by=None, beat=lambda: None)


@pytest.fixture
def running_jobs(transactional_db: None) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Perform a run's job in a worker process of its own, which can be killed; all are ended with the test."""
    workers: list[subprocess.Popen[bytes]] = []

    def perform(job_id: int) -> subprocess.Popen[bytes]:
        code = f"import trainer.tasks; trainer.tasks.perform_run({job_id})"
        workers.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
                cwd=ROOT,
                env=os.environ
                | {"DATABASE_URL": database_url(), "CONCORD_VAR": str(settings.VAR)}
                | {"LAUNCHERS": json.dumps(settings.LAUNCHERS)},
                start_new_session=True,
            )
        )
        return workers[-1]

    yield perform
    for worker in workers:
        worker.kill()
        worker.wait()


def database_url() -> str:
    """Of the test's database, for a process of its own."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    secret = f"{database['USER']}:{database['PASSWORD']}"
    return f"postgres://{secret}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


@pytest.fixture
def tuned_model(project: Project, tiny_model: Path, tmp_path: Path) -> ModelVersion:
    """A copy of it, as the model that is judged."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "tuned"))
    return register_base(project=project, folder=folder, by=None, beat=lambda: None)


@pytest.fixture
def reward_model(project: Project, tiny_model: Path, tmp_path: Path) -> ModelVersion:
    """The tiny model with a random head, registered as a reward model."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path / "reward"
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=1)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return register_base(project=project, folder=folder, by=None, beat=lambda: None)
