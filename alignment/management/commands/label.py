"""``label``: apply a policy to a project's judgments, and say what it uses, routes to people and drops."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from alignment.management.commands.agreement import words
from alignment.models import Labelling, Policy
from alignment.policy.document import PolicyDocument, PolicyError
from alignment.queries import decision_counts
from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, JobState, Project
from feedback.queries.projects import project_named


class Command(BaseCommand):
    help = "Label a project's comparisons by a policy: its newest one, or the one in FILE."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, metavar="NAME")
        parser.add_argument(
            "--policy", type=Path, metavar="FILE.json", help="Fields left out take their default."
        )
        parser.add_argument("--name", default="default", help="The name of the policy in FILE.")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--now", action="store_true", help="Do the work here, without a worker.")
        where.add_argument("--wait", action="store_true", help="Wait for the worker and print the outcome.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = project_named(options["project"])
            policy = _policy(project, options["name"], options["policy"])
            labelling = apply_policy(policy=policy, by=None)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        if options["now"]:
            perform_job(labelling.job_id, carry_out_labelling)
        elif not options["wait"]:
            self.stdout.write(f"{policy} is queued as job {labelling.job_id}; the labels page follows it.")
            return
        self._report(_finished(labelling))

    def _report(self, labelling: Labelling) -> None:
        if labelling.job.state != JobState.SUCCEEDED:
            raise CommandError(labelling.job.message or f"The job ended {labelling.job.state}.")
        counts = ", ".join(f"{n} {decision}" for decision, n in decision_counts(labelling.policy).items())
        self.stdout.write(f"{labelling.policy}: {counts}\n{labelling.job.message}\n\nJudges")
        for entry in labelling.certificates:
            self.stdout.write(
                f"  {entry['judge']} on {entry['slice']}: {entry['sentence']}\n"
                f"    advantage probability {words(entry['advantage_probability'])}; "
                f"agreement {words(entry['agreement'])}"
            )


def _policy(project: Project, name: str, file: Path | None) -> Policy:
    """The policy in ``file``, or else the project's newest, or else one of default values."""
    if file is None:
        newest = Policy.objects.filter(project=project).order_by("-pk").first()
        return newest or create_policy(project=project, name=name, document={}, by=None)
    try:
        document = PolicyDocument.from_json(file.read_bytes())
    except OSError as error:
        raise Refused(f"{file} can not be read: {error.strerror}.") from error
    except PolicyError as error:
        raise Refused(f"{file} can not be used: {error}.") from error
    return create_policy(project=project, name=name, document=document.as_dict(), by=None)


def _finished(labelling: Labelling) -> Labelling:
    """The labelling when its job has ended, whoever carries it out."""
    labelling = Labelling.objects.select_related("job", "policy").get(pk=labelling.pk)
    while labelling.job.state in UNFINISHED:
        time.sleep(0.5)
        labelling.job.refresh_from_db()
    return Labelling.objects.select_related("job", "policy").get(pk=labelling.pk)
