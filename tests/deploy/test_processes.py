"""The processes of a server: started together, started again when they die, all gone at the end."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil

from deploy.processes import Processes


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def sleeper() -> list[str]:
    return [sys.executable, "-c", "import time; time.sleep(60)"]


def revive_until(processes: Processes, name: str, old: int, said: list[str]) -> int:
    deadline = time.monotonic() + 20
    while processes.running[name].pid == old and time.monotonic() < deadline:
        processes.revive(said.append)
    return processes.running[name].pid


def parent(left: Path, first: str = "") -> list[str]:
    """One that starts a process, whose number it leaves there; it does something first, which is given."""
    code = (
        f"import pathlib, signal, subprocess, time\n{first}\n"
        f"pathlib.Path({str(left)!r}).write_text(str(subprocess.Popen({sleeper()}).pid))\n"
        "time.sleep(60)"
    )
    return [sys.executable, "-c", code]


def started(left: Path) -> psutil.Process:
    while not (left.exists() and left.read_text()):
        time.sleep(0.01)
    return psutil.Process(int(left.read_text()))


def test_a_process_that_is_killed_is_started_again_and_said_so(tmp_path):
    """Without what it had started itself, which would keep its port."""
    said: list[str] = []
    with Processes({"worker": parent(tmp_path / "left")}) as processes:
        first, left = processes.running["worker"].pid, started(tmp_path / "left")
        os.kill(first, signal.SIGKILL)
        processes.running["worker"].wait()
        second = revive_until(processes, "worker", first, said)
        assert second != first
        assert alive(second)
        assert any("starting it again" in line for line in said)
        assert psutil.wait_procs([left], timeout=10)[0]


def test_all_are_gone_at_the_end():
    with Processes({"one": sleeper(), "two": sleeper()}) as processes:
        pids = [process.pid for process in processes.running.values()]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_one_that_does_not_end_is_killed_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("deploy.processes.STOP_SECONDS", 0.1)
    with Processes({"web": parent(tmp_path / "left", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")}):
        left = started(tmp_path / "left")
    assert psutil.wait_procs([left], timeout=10)[0]


def test_what_a_killed_one_left_behind_is_ended_at_the_end(tmp_path):
    with Processes({"web": parent(tmp_path / "left")}) as processes:
        left = started(tmp_path / "left")
        os.kill(processes.running["web"].pid, signal.SIGKILL)
        processes.running["web"].wait()
    assert psutil.wait_procs([left], timeout=10)[0]
