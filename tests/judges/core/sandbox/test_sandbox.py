"""Which level is taken, what it refuses to do, and how many cases go to one process."""

import os
from pathlib import Path

import pytest

from judges.core.sandbox import Limits, NoSandbox, Sandbox, each_case, levels, run_alone, sandbox
from judges.core.sandbox.levels import SETTING, readable_paths, strongest

LENGTHS = {"source": "def grade(sample, item):\n    return len(sample)"}


@pytest.fixture
def bare(monkeypatch) -> Sandbox:
    """A machine on which neither bubblewrap nor the kernel's filters work."""
    level = Sandbox("limits", prefix=(), required=())
    monkeypatch.setattr(levels, "strongest", lambda: level)
    return level


def test_this_machine_keeps_code_from_the_network_and_from_files():
    assert strongest().level in ("namespaces", "filters")


def test_without_walls_code_runs_only_where_a_setting_says_so(bare: Sandbox, monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    with pytest.raises(NoSandbox, match=SETTING):
        sandbox()
    monkeypatch.setenv(SETTING, "yes")
    assert sandbox() is bare


def test_a_level_whose_parts_do_not_stand_starts_no_foreign_code():
    strict = Sandbox("filters", prefix=(), required=("landlock", "seccomp", "something newer"))
    with pytest.raises(KeyError):
        strict.run("functions", LENGTHS | {"cases": [["a", {}]]}, Limits()).answers[0]["standing"][
            "something newer"
        ]
    ran = strict.run("functions", LENGTHS | {"cases": [["a", {}]]}, Limits())
    assert not any("reward" in answer for answer in ran.answers)


def test_our_own_packages_are_not_readable_where_they_are_installed_beside_the_others(
    monkeypatch, tmp_path: Path
):
    for name in ("judges", "numpy", "six.py"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(levels, "_site_packages", lambda: str(tmp_path))
    found = [path for path in readable_paths() if path.startswith(str(tmp_path))]
    assert found == [f"{tmp_path}:list", f"{tmp_path}/numpy", f"{tmp_path}/six.py"]


def test_many_cases_go_to_one_process_and_come_back_in_order():
    answers = each_case("functions", LENGTHS, [["x" * n, {}] for n in range(200)])
    assert [answer["reward"] for answer in answers] == list(range(200))


def test_a_case_that_ends_its_process_is_its_own_fault_alone():
    source = "import os\ndef grade(sample, item):\n    return os._exit(3) if sample == 'bad' else 1"
    answers = each_case("functions", {"source": source}, [["a", {}], ["bad", {}], ["b", {}], ["bad", {}]])
    assert [answer.get("reward") for answer in answers] == [1.0, None, 1.0, None]
    assert answers[1]["error"] == "The code did not answer: it ended with status 3."


def test_a_source_that_can_not_be_loaded_says_why_for_each_case():
    answers = each_case("functions", {"source": "import no_such_thing"}, [["a", {}], ["b", {}]])
    assert [answer["unusable"] for answer in answers] == [
        "ModuleNotFoundError: No module named 'no_such_thing' (line 1)"
    ] * 2


def test_what_is_no_number_is_no_grade():
    for returned in ("None", "'1'", "float('nan')", "[1]"):
        source = f"def grade(sample, item):\n    return {returned}"
        (answer,) = each_case("functions", {"source": source}, [["a", {}]])
        assert "error" in answer, returned


def test_numerical_libraries_and_threads_work_inside():
    source = """
import threading
import numpy as np

def grade(sample, item):
    found = []
    thread = threading.Thread(target=lambda: found.append(float(np.linalg.norm([3.0, 4.0]))))
    thread.start()
    thread.join()
    return found[0]
"""
    (answer,) = each_case("functions", {"source": source}, [[{}, {}]])
    assert answer.get("reward") == 5.0, answer


def test_a_sandbox_that_does_not_start_is_said_to_be_broken(tmp_path: Path):
    walls = Sandbox("namespaces", prefix=("/bin/sh", "-c", "echo no namespaces >&2; exit 1"), required=())
    (answer,) = each_case("functions", LENGTHS, [["a", {}]], walls=walls)
    assert answer["broken"] == "The sandbox did not start: it ended with status 1. no namespaces"


def test_one_process_does_one_job_alone():
    ran = run_alone("unit_tests", {"code": "x = 1", "tests": ["assert x == 1"], "word": "w"}, Limits())
    assert ran.answers[-1] == {"word": "w", "passed": [True], "failed": ""}


def test_as_root_no_capability_is_left():
    if os.getuid():
        pytest.skip("not root")
    source = """
def grade(sample, item):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["CapEff"], 16) + int(status["CapPrm"], 16)
"""
    walls = Sandbox("limits", prefix=(), required=("seccomp",))
    job = {"source": source, "cases": [[{}, {}]]}
    walls = Sandbox("filters", (), ("seccomp",), writable=("/proc",))
    assert walls.run("functions", job, Limits()).answers[-1] == {"case": 0, "reward": 0.0}
