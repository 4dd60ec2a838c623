"""``demo``: one turn of the loop on the made-up help desk, with workers started for it."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.demo.loop import FULL, SMALL, run_loop
from deploy.demo.report import build_report, failures, table
from deploy.processes import ADDRESS, Processes, require_free_port, worker_commands
from feedback.errors import Refused


class Command(BaseCommand):
    help = "Run one turn of the loop on the built-in demo project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=0, help="Changes every random choice.")
        parser.add_argument("--small", action="store_true", help="The same loop with less of everything.")
        parser.add_argument("--serve", type=int, metavar="PORT", help="Serve the pages there afterwards.")

    def handle(self, *args: Any, **options: Any) -> None:
        scale = SMALL if options["small"] else FULL
        try:
            if options["serve"]:
                require_free_port(ADDRESS, options["serve"])
            self.stdout.write("One turn of the loop on the help desk:")
            with Processes(worker_commands()) as workers:
                turn = run_loop(
                    seed=options["seed"],
                    scale=scale,
                    say=self.stdout.write,
                    tend=lambda: workers.revive(self.stdout.write),
                )
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        report = build_report(turn)
        file = Path(settings.VAR) / "demo" / "report.json"
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        self.stdout.write(f"\n{table(report)}\n\nWritten to {file}")
        for failure in failures(report):
            self.stdout.write(self.style.ERROR(f"This seed fails: {failure}"))
        if options["serve"]:
            call_command("serve", port=options["serve"])
