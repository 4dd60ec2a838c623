"""The processes of one server: the web server and the workers, started together and kept alive."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from django.conf import settings

from feedback.errors import Refused

STOP_SECONDS = 15
ADDRESS = "127.0.0.1"


def worker_commands() -> dict[str, list[str]]:
    """The command line of each worker, and of what sends the sweeps at their times, by name.

    Judges wait for the network, and a training run is a process of its own, so threads serve both. A prefork pool with
    a child for each task was seen to stop taking messages once a child had ended. Beat is no child of a worker: nobody
    would start it again if it alone were killed.
    """
    celery = [sys.executable, "-m", "celery", "-A", "deploy.celery", "--quiet"]
    worker = [*celery, "worker", "--without-mingle", "--without-gossip", "-l", "WARNING", "-P", "threads"]
    return {
        "worker": [*worker, "-Q", "default,judge", "-c", "4", "-n", "worker@%h"],
        "gpu-worker": [*worker, "-Q", "gpu", "-c", "8", "-n", "gpu@%h"],
        "beat": [*celery, "beat", "-l", "WARNING", "--pidfile="],
    }


def web_command(address: str, port: int) -> list[str]:
    """The command line of the web server: two processes of eight threads, the best of what was measured.

    A connection is kept for longer than people think about an item, so that no answer waits for a new one; at the end
    it is waited for no longer than an answer takes.
    """
    options = (
        *("-k", "gthread", "-w", "2", "--threads", "8"),
        *("--keep-alive", "75", "--graceful-timeout", "5", "--timeout", "120", "--log-level", "warning"),
    )
    return [sys.executable, "-m", "gunicorn", "deploy.wsgi:application", "-b", f"{address}:{port}", *options]


def require_free_port(address: str, port: int) -> None:
    """Refuse, naming the way out, where something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise Refused(
                f"Port {port} on {address} can not be used ({error.strerror}). "
                f"Stop what uses it, or choose another: make serve PORT={port + 1}."
            ) from error


class Processes:
    """A set of child processes. One that ends by itself is started again, after a second so as not to spin."""

    def __init__(self, commands: Mapping[str, list[str]]) -> None:
        self.commands = commands
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.restart_at: dict[str, float] = {}

    def __enter__(self) -> "Processes":
        # Being told to end must leave through __exit__ as well, or the children would be left behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        for name in self.commands:
            self._start(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def watch(self, say: Callable[[str], object]) -> None:
        """Keep every process running until SIGINT or SIGTERM."""
        stopping: list[int] = []

        def stop(number: int, _: FrameType | None) -> None:
            stopping.append(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        while not stopping:
            self.revive(say)
            time.sleep(0.5)

    def revive(self, say: Callable[[str], object]) -> None:
        """Start again what has ended, a second after its end was seen."""
        for name, process in self.running.items():
            if process.poll() is None:
                continue
            if name not in self.restart_at:
                say(
                    f"The {name} ended with status {process.returncode}; starting it again. Its log: {log_file(name)}"
                )
                self.restart_at[name] = time.monotonic() + 1
            elif time.monotonic() >= self.restart_at[name]:
                del self.restart_at[name]
                _end_all_of(process)
                self._start(name)

    def stop(self) -> None:
        """Ask every process to end, and end those that do not, and what those leave that have ended."""
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _end_all_of(process)
            process.wait()

    def _start(self, name: str) -> None:
        with log_file(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=settings.BASE_DIR,
                env={**os.environ, "OMP_NUM_THREADS": "1", "DATABASE_POOL": "true"},
                # Ctrl-C reaches this process only, which then stops its children in order.
                start_new_session=True,
            )


def _end_all_of(process: subprocess.Popen[bytes]) -> None:
    """End what it started too: a killed web server's own processes hold the port for a while and answer nobody.

    Runners have sessions of their own, and save and stop by themselves.
    """
    with suppress(ProcessLookupError, PermissionError):  # none is left, or none that is ours
        os.killpg(process.pid, signal.SIGKILL)


def log_file(name: str) -> Path:
    """Where a process writes."""
    folder = Path(settings.VAR) / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"
