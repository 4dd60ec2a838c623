"""A benchmark's table: printed, and written to var/bench/NAME.json."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """One figure, in ``unit``; beside it its interval, a peer's from the same run, and what the issue asks.

    Less is better, as with times, unless ``more_is_better``, as with rates.
    """

    name: str
    unit: str
    ours: float
    peer: str | None = None
    peer_value: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.peer_value is None or not self.ours or not self.peer_value:
            return None
        return self.ours / self.peer_value if self.more_is_better else self.peer_value / self.ours

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ours >= self.goal if self.more_is_better else self.ours <= self.goal

    def as_json(self) -> dict[str, object]:
        fields = asdict(self)
        del fields["more_is_better"]
        return {**fields, "ratio": self.ratio, "met": self.met}


def publish(name: str, rows: Sequence[Row]) -> None:
    """Print the table and write it, with the machine and the commit it was measured on."""
    width = max((len(row.name) for row in rows), default=0)
    print(f"\n{'':{width}}  {'ours':>12}  {'goal':>8}  met  peer")
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}"
        met = {None: "", True: "yes", False: "NO"}[row.met]
        times = "" if row.ratio is None else f" ({row.ratio:,.1f} times)"
        peer = "" if row.peer_value is None else f"{row.peer}: {row.peer_value:,.2f}{times}"
        if row.low is not None and row.high is not None:
            peer = f"[{row.low:,.2f}, {row.high:,.2f}] {peer}"
        print(f"{row.name:{width}}  {row.ours:>9,.2f} {row.unit:<2}  {goal:>8}  {met:3}  {peer}")
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine(), "commit": commit(), "rows": [row.as_json() for row in rows]}
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def machine() -> str:
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {load} at the end"


def commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return told.stdout.strip()
