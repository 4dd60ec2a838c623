"""``serve``: the web server and the workers of one machine, until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.credentials import table_of_log_ins
from deploy.processes import ADDRESS, Processes, require_free_port, web_command, worker_commands
from feedback.errors import Refused


class Command(BaseCommand):
    help = "Serve the pages, with the workers running."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--address", default=ADDRESS)
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers-only", action="store_true", help="No web server, only the workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        address, port = options["address"], options["port"]
        commands = worker_commands()
        if not options["workers_only"]:
            try:
                require_free_port(address, port)
            except Refused as refusal:
                raise CommandError(refusal.sentence) from refusal
            commands["web"] = web_command(address, port)
        with Processes(commands) as processes:
            if not options["workers_only"]:
                self.stdout.write(
                    f"\nConcord is at http://{address}:{port}  (Ctrl-C stops it)\n{table_of_log_ins()}"
                )
            processes.watch(self.stdout.write)
        self.stdout.write("Stopped.")
