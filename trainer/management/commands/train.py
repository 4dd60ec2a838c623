"""``train``: a run from a file that says what to train, from what, and on what."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from feedback.errors import Refused
from feedback.models import Project
from feedback.queries.projects import project_named
from trainer.actions.checks import BAD, as_json, check_spec
from trainer.actions.preflights import arguments_asked, check_preflight, spec_asked, start_preflight
from trainer.actions.runs import start_run
from trainer.launchers.registry import settings_of
from trainer.management.waiting import wait_for
from trainer.models import Run
from trainer.queries import base_named, last_loss, runs_of
from trainer.stories import tell

FIELDS = (
    *("method", "base", "snapshot", "dataset", "parameters", "seed", "name"),
    *("launcher", "stop_on", "budget", "search", "confirm"),
)


class Command(BaseCommand):
    help = "Start a training run. The worker for training carries it out; --wait shows how it goes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            help=(
                'JSON: {"method": "dpo", "base": a model version or a folder, "snapshot": its sha256, '
                '"parameters": {}, "seed": 0, "name": "", "launcher": "local", "stop_on": [alarms], '
                '"budget": {"hours", "cost"}, "search": {"ranges": {}, "metric", "direction", "trials", "prune"}}; '
                '"dataset", a folder or file, instead of "snapshot"'
            ),
        )
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--wait", action="store_true", help="Follow the run, or the check, to its end.")
        parser.add_argument(
            "--check",
            action="store_true",
            help="Start nothing: say whether the data suit it, whether it fits and what it takes; "
            "with --wait a worker times a few steps too.",
        )
        parser.add_argument(
            "--confirm", action="store_true", help="Start it although it may pass its budget."
        )

    def handle(
        self, *, file: Path, project: str, wait: bool, check: bool, confirm: bool, **options: Any
    ) -> None:
        try:
            found = project_named(project)
            asked = _absolute(found, _read(file), file.parent.resolve())
            if check:
                self._check(found, asked, wait)
                return
            arguments = arguments_asked(found, asked)
            run = start_run(
                project=found, **arguments, confirm=confirm or bool(asked.get("confirm")), by=None
            )
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        self.stdout.write(f"Run {run.name} waits for a worker.")
        if wait:
            wait_for(run.job, lambda: _line(run), self.stdout.write)

    def _check(self, project: Project, asked: dict[str, Any], wait: bool) -> None:
        """Write what was found; CommandError where something is wrong."""
        if wait:
            preflight = start_preflight(project=project, asked=asked, by=None)
            wait_for(preflight.job, lambda: preflight.job.state, self.stdout.write)
            preflight.refresh_from_db()
            found = check_preflight(preflight)
            self.stdout.write(json.dumps(preflight.probe))
        else:
            found = check_spec(spec_asked(project, asked), settings_of(asked.get("launcher") or "local"))
        for finding in found.findings:
            self.stdout.write(f"{finding.level:4} {finding.sentence}")
        self.stdout.write(json.dumps({k: v for k, v in as_json(found).items() if k != "findings"}))
        if found.level == BAD:
            raise CommandError(_("Something is wrong; see above."))


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


def _absolute(project: Project, content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in the file count from the file's own folder."""
    base = base_named(project, content["base"])
    dataset = content.get("dataset")
    return content | {
        "base": str(folder / base) if isinstance(base, Path) else content["base"],
        "dataset": str(folder / str(dataset)) if dataset else None,
    }


def _line(run: Run) -> str:
    now = runs_of(run.project).get(pk=run.pk)
    story = tell(now)
    loss = last_loss(now)
    shown = "" if loss is None else f" Loss {loss:.4g}."
    return f"{story.happened}{shown} {story.advice}".strip()
