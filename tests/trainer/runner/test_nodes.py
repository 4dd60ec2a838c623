"""The driver of several machines, with a few lines in Ray's place; test_ray_head.py has a real head of it."""

import sys
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from trainer.events import read_events
from trainer.runner.execution import CANCELLED, FAILED, FINISHED


@dataclass(eq=False)
class Task:
    """Ends at the look that comes after so many; lost where it has no status."""

    code: int | None
    looks: float = 0.0


class Ray(ModuleType):
    exceptions: Any

    def wait(self, tasks: list[Task], timeout: float) -> tuple[list[Task], list[Task]]:
        ready = [task for task in tasks if task.looks == 0]
        for task in tasks:
            task.looks = max(0, task.looks - 1)
        return ready[:1], []

    def get(self, task: Task) -> int:
        if task.code is None:
            raise self.exceptions.RayError
        return task.code

    def cancel(self, task: Task, *, force: bool) -> None:
        task.code, task.looks = None, 0


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    ray = Ray("ray")
    ray.exceptions = SimpleNamespace(RayError=type("RayError", (Exception,), {}))
    group = SimpleNamespace(placement_group=None)
    strategies = SimpleNamespace(PlacementGroupSchedulingStrategy=None)
    for name, module in {
        "ray": ray,
        "ray.exceptions": ray.exceptions,
        "ray.util": ModuleType("ray.util"),
        "ray.util.placement_group": group,
        "ray.util.scheduling_strategies": strategies,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "trainer.runner.nodes", raising=False)
    found = import_module("trainer.runner.nodes")
    monkeypatch.delitem(sys.modules, "trainer.runner.nodes")
    monkeypatch.setattr(found, "GRACE", 0.0)
    return found


@pytest.mark.parametrize("first", [CANCELLED, FINISHED, FAILED])
def test_what_waits_for_the_first_machine_is_ended_after_it(nodes, first):
    """It alone says how the run has ended; the others may be in the middle of a step that it left."""
    assert nodes._follow([Task(first, 2), Task(FINISHED, 1000)]) == [first, nodes.GONE]
    assert nodes._follow([Task(first, 2), Task(CANCELLED)]) == [first, CANCELLED]


def test_a_wait_for_machines_is_said_once_and_can_be_cancelled(nodes, monkeypatch, tmp_path):
    monkeypatch.setattr(nodes, "SILENT", 0.0)
    group = SimpleNamespace(ready=lambda: Task(FINISHED, 5))
    assert nodes._given(group, 3, tmp_path)
    (event,) = read_events(tmp_path / "events.jsonl")[0]
    assert (event["kind"], event["message"]) == (
        "warning",
        "It waits until 3 machines of the cluster have room at once.",
    )

    (tmp_path / "CANCEL").touch()
    assert not nodes._given(group, 3, tmp_path)
    assert not (tmp_path / "CANCEL").exists()
