"""``serve_model``: a model version over the OpenAI API, by ``transformers serve``."""

import os
import shlex
import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from feedback.errors import Refused
from trainer.actions.model_versions import check_model_folder, is_adapter
from trainer.folders import model_folder
from trainer.models import ModelKind, ModelVersion
from trainer.serving import PORT, transformers_command


class Command(BaseCommand):
    help = "Serve a model version over the OpenAI API with `transformers serve`, until it is stopped."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """``--version`` is a model's here; Django's own is dropped."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--version", type=int, required=True, help="The number of the model version.")
        parser.add_argument("--host", default="127.0.0.1", help="Where it listens (127.0.0.1).")
        parser.add_argument("--port", type=int, default=PORT, help=f"The port ({PORT}).")
        parser.add_argument("--show", action="store_true", help="Only print the command.")

    def handle(self, **options: Any) -> None:
        version = ModelVersion.objects.filter(pk=options["version"]).first()
        if version is None:
            raise CommandError(f"There is no model version {options['version']}.")
        if version.kind != ModelKind.POLICY:
            raise CommandError(f"{version.name} is a reward model, which answers nothing.")
        try:
            check_model_folder(version.project, model_folder(version))
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        if is_adapter(model_folder(version)):
            raise CommandError(f"{version.name} is an adapter: merge it first, and serve what comes of it.")
        command = transformers_command(version, options["host"], options["port"])
        if options["show"]:
            self.stdout.write(shlex.join(command))
            return
        program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or shutil.which(command[0])
        if program is None:
            raise CommandError("`transformers` is not installed here; install the extras [train] and [test].")
        offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        os.execve(program, [program, *command[1:]], os.environ | offline)  # noqa: S606  # our own arguments
