"""How many sandboxes start a second, and how many grades one of them gives: ``python -m tests.bench.graders``."""

import sys
import time

from judges.core.sandbox import Limits, Sandbox, each_case
from judges.core.sandbox.levels import filters, namespaces, works

SOURCE = {"source": "def grade(sample, item):\n    return float(sample['output_text'] == item['reference'])"}
CASE = [{"output_text": "Paris"}, {"reference": "Paris"}]


def starts(walls: Sandbox, count: int) -> float:
    """Processes a second, one case each, one after another."""
    started = time.perf_counter()
    for _ in range(count):
        walls.run("functions", {**SOURCE, "cases": [CASE]}, Limits())
    return count / (time.perf_counter() - started)


def grades(walls: Sandbox, count: int) -> float:
    """Grades a second where one process does them all."""
    started = time.perf_counter()
    answers = each_case("functions", SOURCE, [CASE] * count, walls=walls)
    if any("reward" not in answer for answer in answers):
        raise RuntimeError("a grade is missing")
    return count / (time.perf_counter() - started)


def main(arguments: list[str]) -> None:
    count = int(arguments[0]) if arguments else 50
    for walls in (namespaces(), filters()):
        if walls and works(walls):
            print(
                f"{walls.level}: {starts(walls, count):.1f} starts/s, {grades(walls, 400 * count):,.0f} grades/s"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
