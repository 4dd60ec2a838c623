"""How long agreement takes, beside what others use: `make bench-agreement`.

Every peer has an environment of its own under var/bench/venvs, made by pip the first time, and reads the same files in
the same run. BENCH_LABELS (1000000) sets the size, BENCH_PEERS the peers. What is measured, and how, is in
docs/benchmarks.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import agreement_data, agreement_store, data, policy, policy_store
from tests.bench.report import ROOT, Row, publish

LABELS = int(os.environ.get("BENCH_LABELS", "1000000"))
PEERS = {
    "krippendorff": ["krippendorff==0.9.0"],
    "irrcac": ["irrCAC==0.4.4"],
    "sklearn": ["scikit-learn==1.9.1"],
    "crowdkit": ["crowd-kit==1.4.2"],
    "evalica": ["evalica==0.4.2"],
    "fastchat": ["scikit-learn==1.9.1"],
    "alttest": ["scipy==1.17.1"],
}
ENVIRONMENTS = PEERS | {"adbc": ["adbc-driver-postgresql", "adbc-driver-manager", "pyarrow==26.0.1"]}
FOLDER = ROOT / "var" / "bench" / "agreement"
VENVS = ROOT / "var" / "bench" / "venvs"
GOALS = {  # seconds that the issue asks for
    "alpha nominal": 0.1,
    "alpha ordinal": 0.1,
    "alpha interval": 0.1,
    "alpha ratio": 0.1,
    "Dawid–Skene": 1.0,
    "alt-test": 0.1,
    "kappa": 0.01,
    "Bradley–Terry": 0.05,
}
TIMES = {"Dawid–Skene": 10, "alt-test": 100}  # as fast as the peer that the issue asks for
EXACT = 1e-9
REAL = Path(os.environ.get("CONCORD_SHARED_DATA", ROOT.parent / "shared" / "data"))
ROUNDED = {"irrcac": 5.1e-6}  # it prints five digits
SOLVER = {"fastchat": 1e-3}  # its optimiser stops before
Json = dict[str, Any]


def environment(peer: str) -> Path:
    """The peer's interpreter; made the first time."""
    folder = VENVS / peer
    done = folder / ".installed"
    if not done.exists():
        print(f"  installing {', '.join(ENVIRONMENTS[peer])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *ENVIRONMENTS[peer]], check=True)
        done.touch()
    return folder / "bin" / "python"


def run_peer(peer: str) -> Json:
    script = Path(__file__).parent / "agreement_peers.py"
    ran = subprocess.run([environment(peer), "-I", script, peer, FOLDER], capture_output=True, text=True)
    if ran.returncode:
        print(f"  {peer} could not be measured: {ran.stderr.strip().splitlines()[-1]}", flush=True)
        return {}
    found: Json = json.loads(ran.stdout)
    for task, result in found.items():
        print(
            f"  {peer}: {task}, {result['seconds']:.3f} s, {result['megabytes']:.0f} MB; {result['note']}",
            flush=True,
        )
    return found


def run_ours() -> Json:
    command = [sys.executable, "-m", "tests.bench.agreement_ours", str(FOLDER)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True
    )
    found: Json = json.loads(ran.stdout)
    return found


def rows_of(ours: Json, peers: dict[str, Json]) -> list[Row]:
    """A row for each task, with the peer's time where there is one, and a row for how far its value lies from ours."""
    beside = {task: (peer, found) for peer, tasks in peers.items() for task, found in tasks.items()}
    rows = []
    for task, found in ours["tasks"].items():
        peer, other = beside.pop(task, (None, None))
        named = f"{peer}, {other['note']}" if other else None
        seconds = other["seconds"] if other else None
        rows.append(Row(f"{task} with interval", "s", found["seconds"], named, seconds, GOALS.get(task)))
        if other and task in TIMES:
            times = seconds / found["seconds"]
            rows.append(Row(f"{task}, times as fast", "x", times, goal=TIMES[task], more_is_better=True))
        if other:
            rows.append(difference(task, found, peer, other))
    if (left := beside.pop("Bradley–Terry by FastChat's method", None)) is not None:
        task, found = "Bradley–Terry by FastChat's method", ours["tasks"]["Bradley–Terry"]
        rows.append(Row(task, "s", found["seconds"], f"fastchat, {left[1]['note']}", left[1]["seconds"]))
        rows.append(difference(task, found, "fastchat", left[1]))
    return rows


def difference(task: str, ours: Json, peer: str, other: Json) -> Row:
    mine, theirs = np.asarray(ours["value"], dtype=float), np.asarray(other["value"], dtype=float)
    if peer == "crowdkit":  # another stopping rule and no smoothing: labels are compared, not chances
        return Row(f"{task}, share of labels that differ from {peer}'s", "", float((mine != theirs).mean()))
    goal = ROUNDED.get(peer, SOLVER.get(peer, EXACT))
    return Row(f"{task}, largest difference from {peer}", "", float(np.abs(mine - theirs).max()), goal=goal)


def main() -> None:
    if not (REAL / "pandalm").is_dir():
        sys.exit(f"{REAL} holds no real data; CONCORD_SHARED_DATA names the folder that does.")
    print(f"{LABELS:,} labels", flush=True)
    agreement_data.make(FOLDER, LABELS)
    ours = run_ours()
    wanted = os.environ.get("BENCH_PEERS", ",".join(PEERS)).split(",")
    peers = {peer: run_peer(peer) for peer in wanted if peer}
    rows = rows_of(ours, peers)
    rows.append(Row("peak memory of all of ours", "MB", ours["megabytes"], goal=300))
    rows += agreement_store.measure(LABELS)
    rows += policy_store.measure(LABELS)
    rows += policy.measure(REAL)
    rows += data.measure()
    publish("agreement", rows)


if __name__ == "__main__":
    main()
