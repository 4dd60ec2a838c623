"""One run on several machines of a Ray cluster: `python -m trainer.runner.nodes CARDS NODES SPEC.json`, as a Ray job.

A driver without cards of its own. It has Ray keep a place for CARDS (a CPU where that is 0) on each of NODES machines,
starts `trainer.runner.ranks` on each, and ends with the first one's status. The interpreter must have ray, of the
cluster's version. CANCEL reaches the ranks as always; what Ray kills, they notice, and save.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from trainer.events import EventWriter
from trainer.runner.execution import CANCELLED, FAILED
from trainer.runner.ranks import GRACE, ORDERLY, status_of

GONE = -signal.SIGKILL  # a machine that was lost, or whose ranks were ended since another had failed
SILENT = 60.0  # seconds of waiting for machines before it says so
_POLL = 1.0


def main(arguments: list[str]) -> int:
    if len(arguments) != 3 or not all(each.isdecimal() for each in arguments[:2]):
        sys.stderr.write("Usage: python -m trainer.runner.nodes CARDS NODES SPEC.json\n")
        return FAILED
    cards, nodes, spec = int(arguments[0]), int(arguments[1]), Path(arguments[2])
    ray.init(log_to_driver=False)
    share = {"GPU": cards, "CPU": 1} if cards else {"CPU": 1}
    group = placement_group([share] * nodes, strategy="STRICT_SPREAD")
    if not _given(group, nodes, spec.parent):
        return CANCELLED
    places = [
        {
            "num_cpus": 1,
            "num_gpus": cards,
            "max_retries": 0,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=node),
        }
        for node in range(nodes)
    ]
    address, port = ray.get(ray.remote(_meeting_point).options(**places[0]).remote())
    on_node = ray.remote(_on_node)
    tasks = [
        on_node.options(**places[node]).remote(node, nodes, max(1, cards), str(spec), address, port)
        for node in range(nodes)
    ]
    return status_of(_follow(tasks), 0)


def _given(group: Any, nodes: int, folder: Path) -> bool:
    """Wait until the cluster has room, and say so after a while; False where the run is cancelled before."""
    ready, cancel = group.ready(), folder / "CANCEL"
    say_at = time.monotonic() + SILENT
    while not ray.wait([ready], timeout=_POLL)[0]:
        if cancel.exists():
            cancel.unlink()
            return False
        if time.monotonic() >= say_at:
            say_at = math.inf
            with EventWriter(folder / "events.jsonl") as events:
                events.write(
                    "warning", message=f"It waits until {nodes} machines of the cluster have room at once."
                )
    return True


def _follow(tasks: list[Any]) -> list[int]:
    """The exit status of each machine; after the first, or one that failed, the others have a while, since they may
    wait for it for ever."""
    left = {task: node for node, task in enumerate(tasks)}
    codes = [GONE] * len(tasks)
    end_at = math.inf
    while left:
        for task in ray.wait(list(left), timeout=_POLL)[0]:
            node = left.pop(task)
            try:
                codes[node] = ray.get(task)
            except RayError as error:
                sys.stderr.write(f"Machine {node} was lost: {error}\n")
            if node == 0 or codes[node] not in ORDERLY:
                end_at = min(end_at, time.monotonic() + GRACE)
        if time.monotonic() >= end_at:
            for task in left:
                ray.cancel(task, force=True)
    return codes


# What follows runs on the machines.


def _meeting_point() -> tuple[str, int]:
    import socket

    import ray

    with socket.socket() as probe:
        probe.bind(("", 0))
        return ray.util.get_node_ip_address(), int(probe.getsockname()[1])


def _on_node(node: int, nodes: int, ranks: int, spec: str, address: str, port: int) -> int:
    import os

    rendezvous = {"NNODES": nodes, "NODE_RANK": node, "MASTER_ADDR": address, "MASTER_PORT": port}
    command = [sys.executable, "-m", "trainer.runner.ranks", str(ranks), spec]
    environment = os.environ | {name: str(value) for name, value in rendezvous.items()}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
