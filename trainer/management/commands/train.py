"""``train``: a run from a file that says what to train, from what, and on what."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alignment.queries import snapshot_named
from feedback.errors import Refused
from feedback.models import Project
from feedback.queries.projects import project_named
from trainer.actions.runs import start_run
from trainer.management.waiting import wait_for
from trainer.models import Run
from trainer.queries import base_named, last_loss, runs_of
from trainer.stories import tell

FIELDS = (
    *("method", "base", "snapshot", "dataset", "parameters", "seed", "name"),
    *("launcher", "stop_on", "budget", "confirm"),
)
    "method",
    "base",
    "snapshot",
    "dataset",
    "parameters",
    "seed",
    "name",
    "launcher",
    "stop_on",
    "budget",
    "confirm",
)


class Command(BaseCommand):
    help = "Start a training run. The worker for training carries it out; --wait shows how it goes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            help=(
                'JSON: {"method": "dpo", "base": a model version or a folder, "snapshot": its sha256, '
                '"parameters": {}, "seed": 0, "name": ""}; "dataset", a folder or file, instead of "snapshot"'
            ),
        )
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--wait", action="store_true", help="Follow the run to its end.")

    def handle(self, *, file: Path, project: str, wait: bool, **options: Any) -> None:
        try:
            run = start_run(**_arguments(project_named(project), _read(file), file.parent), by=None)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"Run {run.name} waits for a worker.")
        if wait:
            wait_for(run.job, lambda: _line(run), self.stdout.write)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except OSError as error:
        raise CommandError(f"{file} can not be read ({error.strerror}).") from error
    except ValueError as error:
        raise CommandError(f"{file} is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise CommandError(f"{file} must hold a JSON object with the fields {', '.join(FIELDS)}.")
    unknown = sorted(set(content) - set(FIELDS))
    if unknown:
        raise CommandError(f"{file} has the unknown field {unknown[0]!r}; use {', '.join(FIELDS)}.")
    for name in ("method", "base", "name"):
        if not isinstance(content.get(name, "" if name == "name" else None), str):
            raise CommandError(f"{file} needs the field {name!r} to be a text.")
    return content


def _arguments(project: Project, content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in the file count from the file's own folder."""
    base = base_named(project, content["base"])
    snapshot, dataset = content.get("snapshot"), content.get("dataset")
    return content | {
        "project": project,
        "base": folder / base if isinstance(base, Path) else base,
        "snapshot": snapshot_named(project, str(snapshot)) if snapshot else None,
        "dataset": folder / str(dataset) if dataset else None,
    }


def _line(run: Run) -> str:
    now = runs_of(run.project).get(pk=run.pk)
    story = tell(now)
    loss = last_loss(now)
    shown = "" if loss is None else f" Loss {loss:.4g}."
    return f"{story.happened}{shown} {story.advice}".strip()
