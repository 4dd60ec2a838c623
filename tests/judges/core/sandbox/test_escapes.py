"""What hostile code tries, at each level of the sandbox: every attempt must fail, and leave nothing behind."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from judges.core.sandbox import Ran, levels

Attempt = Callable[..., Ran]


def failed(ran: Ran) -> bool:
    """No attack returned 1: it raised, or was ended."""
    return bool(ran.answers) and not any(answer.get("reward") == 1.0 for answer in ran.answers)


def refused_with(ran: Ran) -> str:
    """The error of the only case."""
    return str(ran.answers[-1].get("error", ""))


@pytest.fixture
def survivors(monkeypatch) -> Callable[[], list[int]]:
    """The processes of this test's sandboxes that are still there, known by a word in their environment."""
    word = uuid4().hex
    monkeypatch.setitem(levels.ENVIRONMENT, "STARTED_BY", word)

    def found() -> list[int]:
        marked = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("STARTED_BY") == word:
                    marked.append(process.pid)
            except psutil.Error:
                continue
        return marked

    return found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A service on loopback, as Redis and PostgreSQL are."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        yield server


def test_an_honest_grade_comes_through(attempt: Attempt):
    ran = attempt("return 0.25")
    assert ran.answers[-1] == {"case": 0, "reward": 0.25}
    assert ran.answers[0]["standing"]["seccomp"]
    assert ran.answers[0]["standing"]["landlock"] >= 1
    assert (ran.ended, ran.printed) == ("", "")


def test_1_no_service_on_loopback_is_reached(attempt: Attempt, listener: socket.socket):
    ran = attempt(
        f"""
import socket
socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 1).sendall(b"PING")
return 1
"""
    )
    assert failed(ran)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_1_no_socket_of_any_kind_is_made_by_asking_the_kernel(attempt: Attempt):
    ran = attempt(
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for family in (1, 2, 10, 16, 17):  # unix, inet, inet6, netlink, packet
    for kind in (1, 2, 3):
        if libc.syscall(41 if os.uname().machine == "x86_64" else 198, family, kind, 0) >= 0:
            return 1
raise PermissionError("no socket")
"""
    )
    assert refused_with(ran).startswith("PermissionError: no socket")


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/etc/hostname"])
def test_2_no_file_of_the_system_is_read(attempt: Attempt, path: str):
    assert failed(attempt(f"open({path!r}).read()\nreturn 1"))


def test_2_no_file_of_the_application_is_read(attempt: Attempt, tmp_path: Path):
    secret = tmp_path / "secret_key"
    secret.write_text("the secret")
    root = Path(__file__).parents[4]
    for path in (secret, root / "manage.py", root / "deploy" / "settings.py"):
        assert path.exists()
        assert failed(attempt(f"open({str(path)!r}).read()\nreturn 1")), path


def test_2_no_folder_of_the_application_is_listed(attempt: Attempt):
    folder = str(Path(__file__).parents[4])
    # Where the interpreter's environment lies within it, that is all there is of it.
    assert failed(attempt(f"return float(bool(set(os.listdir({folder!r})) - {{'.venv'}}))"))


def test_3_no_secret_is_in_the_environment(attempt: Attempt, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    assert failed(attempt("return float('secret' in repr(dict(os.environ)))"))


def test_3_no_other_process_tells_its_environment(attempt: Attempt, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    ran = attempt(
        f"""
import glob
for path in ["/proc/{os.getpid()}/environ", *glob.glob("/proc/[0-9]*/environ")]:
    try:
        if b"sk-secret-of-the-test" in open(path, "rb").read():
            return 1
    except OSError:
        pass
raise LookupError("nothing found")
"""
    )
    assert refused_with(ran).startswith("LookupError")


def test_4_nothing_is_written_outside(attempt: Attempt, tmp_path: Path):
    target = tmp_path / "written"
    tmp_path.chmod(0o777)
    assert failed(attempt(f"open({str(target)!r}, 'w').write('x')\nreturn 1"))
    for path in ("/written", "/usr/lib/written", "/dev/shm/written", "/var/tmp/written"):
        assert failed(attempt(f"open({path!r}, 'w').write('x')\nreturn 1")), path
        assert not Path(path).exists()
    assert not target.exists()


def test_4_the_interpreter_is_not_changed(attempt: Attempt):
    assert failed(attempt("open(os.__file__, 'a').write('#')\nreturn 1"))
    assert failed(attempt("os.chmod(os.__file__, 0o777)\nreturn 1"))
    assert failed(attempt("os.unlink(os.__file__)\nreturn 1"))


def test_4_what_may_be_written_is_little_and_gone_afterwards(attempt: Attempt):
    attempt("open('/tmp/left-by-the-sandbox', 'w').write('x')\nreturn 1")
    assert not Path("/tmp/left-by-the-sandbox").exists()
    ran = attempt(
        """
for number in range(10):
    with open(f"/tmp/{number}", "wb") as file:
        file.write(bytes(20 * 2**20))
return 1
"""
    )
    assert failed(ran)


def test_5_a_fork_bomb_does_not_start(attempt: Attempt, survivors):
    ran = attempt("while True:\n    os.fork()")
    assert refused_with(ran).startswith("PermissionError")
    assert not survivors()


@pytest.mark.parametrize("call", ["os.system('true') == 0", "__import__('subprocess').run(['true'])"])
def test_5_no_program_is_started(attempt: Attempt, call: str):
    assert failed(attempt(f"return float(bool({call}))"))


def test_6_a_memory_bomb_meets_the_limit(attempt: Attempt):
    ran = attempt(
        "held = []\nwhile True:\n    held.append(bytearray(2**24))", memory_bytes=2**28, seconds=30.0
    )
    assert refused_with(ran).startswith("MemoryError") or ran.ended


def test_7_an_endless_loop_is_ended(attempt: Attempt):
    started = time.monotonic()
    ran = attempt("while True:\n    pass", seconds=0.5)
    assert refused_with(ran) == "It took more than 0.5 seconds."
    assert time.monotonic() - started < 15


def test_7_an_endless_loop_that_ignores_the_clock_is_ended(attempt: Attempt, survivors):
    body = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass"
    ran = attempt(body, seconds=0.5, start_seconds=1.5)
    assert ran.ended == "it ran out of time"
    assert failed(ran)
    assert not survivors()


def test_7_sleeping_is_ended_as_well(attempt: Attempt):
    body = "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\ntime.sleep(600)"
    assert attempt(body, seconds=0.5, start_seconds=1.5).ended == "it ran out of time"


@pytest.mark.parametrize("file", [1, 2])
def test_8_endless_output_is_cut_off(attempt: Attempt, file: int):
    ran = attempt(f"while True:\n    os.write({file}, b'x' * 65536)", output_bytes=2**20)
    assert ran.ended == "it wrote more than 1048576 bytes"
    assert len(ran.printed) <= 2000


def test_9_no_other_process_is_signalled_or_traced(attempt: Attempt):
    """The parent lives on, or this test would not end; the calls themselves must be refused too."""
    for call in (f"os.kill({os.getpid()}, 9)", "os.kill(os.getppid(), 9)", "os.kill(-1, 9)", "os.kill(1, 9)"):
        assert failed(attempt(f"{call}\nreturn 1")), call
    ran = attempt(
        f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
number = 101 if os.uname().machine == "x86_64" else 117
if libc.syscall(number, 16, {os.getpid()}, 0, 0) == 0:
    return 1
raise PermissionError("not traced")
"""
    )
    assert refused_with(ran).startswith("PermissionError: not traced")


def test_10_no_link_leads_out(attempt: Attempt):
    for body in (
        "os.symlink('/etc/passwd', '/tmp/link')\nopen('/tmp/link').read()\nreturn 1",
        "os.link('/etc/passwd', '/tmp/link')\nopen('/tmp/link').read()\nreturn 1",
        "open('/proc/self/root/etc/passwd').read()\nreturn 1",
        "open('/proc/1/root/etc/passwd').read()\nreturn 1",
        "open(f'/proc/{os.getppid()}/root/etc/passwd').read()\nreturn 1",
        "open('/proc/self/cwd/../etc/passwd').read()\nreturn 1",
        "os.chroot('/')\nreturn 1",
    ):
        assert failed(attempt(body)), body


def test_10_the_kernel_s_settings_are_not_written(attempt: Attempt):
    for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/self/oom_score_adj"):
        assert failed(attempt(f"open({path!r}, 'w').write('0')\nreturn 1")), path


def test_11_the_application_is_not_imported(attempt: Attempt):
    for name in ("judges.core.sandbox", "deploy.settings", "feedback"):
        ran = attempt(
            f"import sys\nsys.path += {[str(Path(__file__).parents[4])]!r}\nimport {name}\nreturn 1"
        )
        assert failed(ran), name


def test_12_nothing_stays_behind(attempt: Attempt, survivors):
    for body in (
        "os.fork() or __import__('time').sleep(600)\nreturn 1",
        "os.setsid()\nos.fork() or __import__('time').sleep(600)\nreturn 1",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\nreturn 0",
    ):
        attempt(body, seconds=0.5, start_seconds=2.0)
        assert not survivors(), body


def test_the_locks_can_not_be_opened_again(attempt: Attempt):
    for body in (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nreturn 1",
        "import resource\nresource.prlimit(1, resource.RLIMIT_CPU, (1, 1))\nreturn 1",
        "os.setuid(0) if os.getuid() else os.setgroups([0])\nreturn 1",
        "import ctypes\nreturn float(ctypes.CDLL(None).unshare(0x10000000) == 0)",
        "import ctypes\nreturn float(ctypes.CDLL(None).syscall(425, 8, bytes(120)) >= 0)",
    ):
        assert failed(attempt(body)), body
