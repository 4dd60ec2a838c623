"""Runs the runner as a process of this machine: in a group of its own, without the server's secrets."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.launchers.launcher import Handle

ROOT = Path(__file__).resolve().parents[2]
# What a runner is told of the server's environment. Everything else stays here: it may hold secrets.
PASSED_ON = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "HF_HOME",
        "HF_HUB_CACHE",
        "XDG_CACHE_HOME",
    }
)
PASSED_ON_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_", "PYTORCH_", "TORCH_", "TRITON_")


class LocalLauncher:
    def start(self, spec_path: Path) -> Handle:
        """Start a runner; what it prints before it has its own log open goes to runner.log as well."""
        with (spec_path.parent / "runner.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "trainer.runner", str(spec_path)],
                cwd=ROOT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _Process(process)


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def cancel(self) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    return {**kept, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
