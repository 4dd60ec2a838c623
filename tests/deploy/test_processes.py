"""The processes of a server: started together, started again when they die, all gone at the end."""

import os
import signal
import sys
import time

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


def test_a_process_that_is_killed_is_started_again_and_said_so(tmp_path):
    """Without what it had started itself, which would keep its port."""
    said: list[str] = []
    left = tmp_path / "left"
    starts = (
        "import pathlib, subprocess, time\n"
        f"pathlib.Path({str(left)!r}).write_text(str(subprocess.Popen({sleeper()}).pid))\n"
        "time.sleep(60)"
    )
    with Processes({"worker": [sys.executable, "-c", starts]}) as processes:
        first = processes.running["worker"].pid
        while not (left.exists() and left.read_text()):
            time.sleep(0.01)
        child = psutil.Process(int(left.read_text()))
        os.kill(first, signal.SIGKILL)
        processes.running["worker"].wait()
        second = revive_until(processes, "worker", first, said)
        assert second != first
        assert alive(second)
        assert any("starting it again" in line for line in said)
        assert psutil.wait_procs([child], timeout=10)[0]


def test_all_are_gone_at_the_end():
    with Processes({"one": sleeper(), "two": sleeper()}) as processes:
        pids = [process.pid for process in processes.running.values()]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))
