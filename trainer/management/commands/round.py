"""``round``: one turn of the loop, from new responses to the comparisons that people are asked about."""

from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.errors import Refused
from feedback.models import Project
from feedback.queries.projects import project_named
from judges.queries import judge_named
from trainer.actions.rounds import start_round
from trainer.management.waiting import wait_for
from trainer.models import Round
from trainer.queries import model_named


class Command(BaseCommand):
    help = "Write new responses, judge them, apply the policy, and send to people what it routes to them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="The project's name.")
        parser.add_argument("--model", help="The model version that answers (the newest approved one).")
        parser.add_argument("--provider", default="", help="A provider instead: openai or anthropic.")
        parser.add_argument("--provider-model", default="", help="The provider's model.")
        parser.add_argument("--base-url", default="", help="The provider's server, if not its own.")
        parser.add_argument(
            "--judge", action="append", default=[], help="Who judges; several may be given (those trusted)."
        )
        parser.add_argument("--samples", type=int, default=2, help="Responses a prompt (2).")
        parser.add_argument("--prompts", type=int, help="Prompts at most (all).")
        parser.add_argument("--people", type=int, help="Comparisons that go to people at most (all routed).")
        parser.add_argument("--budget", help="Dollars for the provider's responses at most.")
        parser.add_argument("--wait", action="store_true", help="Follow it to its end.")

    def handle(self, **options: Any) -> None:
        try:
            project = project_named(options["project"])
            started = start_round(project=project, by=None, **_asked(project, options))
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        source = started.generation.source
        self.stdout.write(f"Round {started.number} has begun: {source} answers, {started.policy} decides.")
        if options["wait"]:
            wait_for(started.job, lambda: _line(started), self.stdout.write)
            started.refresh_from_db()
            made = started.generation.comparisons.count()
            self.stdout.write(f"{made} new comparisons; people can take {started.routed} now.")


def _asked(project: Project, options: dict[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "samples": options["samples"],
        "most_prompts": options["prompts"],
        "most_routed": options["people"],
        "budget": _dollars(options["budget"]),
    }
    if options["judge"]:
        asked["judges"] = [judge_named(project, name) for name in options["judge"]]
    if options["model"]:
        asked["model_version"] = model_named(project, options["model"])
    if options["provider"]:
        settings = {"base_url": options["base_url"]} if options["base_url"] else {}
        asked |= {"provider": options["provider"], "model": options["provider_model"]}
        asked["provider_settings"] = settings
    return asked


def _dollars(given: str | None) -> Decimal | None:
    try:
        return None if given is None else Decimal(given)
    except InvalidOperation:
        raise Refused(f"{given!r} is no number of dollars.", field="budget") from None


def _line(started: Round) -> str:
    job = started.job
    return job.message or f"The round is {job.state}."
