"""Functions of the queue's benchmark, each in a process of its own with Django set up on the database measured.

``python -m tests.bench.queue_call MODULE FUNCTION JSON`` prints what the function returns as JSON.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Store:
    """A database that is measured, and what is called in it."""

    def __init__(self, url: str, var: str) -> None:
        self.url = url
        self.environment: Mapping[str, str] = os.environ | {
            "DATABASE_URL": url,
            "DATABASE_POOL": "0",
            "CONCORD_VAR": var,
            "DEBUG": "0",
        }

    def migrate(self) -> None:
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)

    def call(self, what: str, *arguments: Any) -> Any:
        """What ``module.function`` returns."""
        with self._start(what, arguments) as process:
            said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{what} failed")
        return json.loads(said)

    @contextmanager
    def beside(self, what: str, *arguments: Any) -> Iterator[None]:
        """The same going on until what is measured beside it is over, which its closed input tells it."""
        with self._start(what, arguments) as process:
            yield
            said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{what} failed")
        print(f"  beside it {what}: {said.strip()}", file=sys.stderr, flush=True)

    def _start(self, what: str, arguments: Sequence[Any]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", __name__, *what.rsplit(".", 1), json.dumps(arguments)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    django.setup()
    module, function, arguments = sys.argv[1:]
    called = getattr(importlib.import_module(f"tests.bench.{module}"), function)
    print(json.dumps(called(*json.loads(arguments))))


if __name__ == "__main__":
    main()
