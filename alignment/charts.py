"""The curve of coverage against error as SVG coordinates, drawn by the page's own template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alignment.policy.outlook import CurvePoint

WIDTH, HEIGHT = 640, 280
LEFT, BOTTOM, TOP, RIGHT = 48, 36, 12, 12


class Tick(NamedTuple):
    at: float
    label: str


class Dot(NamedTuple):
    x: float
    y: float
    bound: float
    label: str


@dataclass(frozen=True)
class CurveChart:
    """Paths of the error found and of its bound, by coverage, and the chosen point; ``limit`` is what is tolerated."""

    error: str
    bound: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    limit: float | None
    chosen: Dot | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP


def curve_chart(points: Sequence[CurvePoint], max_error: float | None) -> CurveChart | None:
    """None where there is no point."""
    if not points:
        return None
    highest = max(max(point.bound for point in points), 1.25 * (max_error or 0.0), 0.05)
    step = next(each for each in (0.02, 0.05, 0.1, 0.2, 0.25) if highest / each <= 6 or each == 0.25)
    ordered = sorted(points, key=lambda point: (point.coverage, point.threshold))
    chosen = next((point for point in points if point.chosen), None)
    return CurveChart(
        error=_path([(point.coverage, point.error) for point in ordered], highest),
        bound=_path([(point.coverage, point.bound) for point in ordered], highest),
        x_ticks=[Tick(_x(share / 4), f"{25 * share} %") for share in range(5)],
        y_ticks=[
            Tick(_y(step * index, highest), f"{100 * step * index:.0f} %")
            for index in range(int(highest / step) + 1)
        ],
        limit=None if max_error is None else _y(max_error, highest),
        chosen=chosen
        and Dot(
            _x(chosen.coverage),
            _y(chosen.error, highest),
            _y(chosen.bound, highest),
            f"{chosen.threshold:.2f}",
        ),
    )


def _path(places: Sequence[tuple[float, float]], highest: float) -> str:
    return "M" + "L".join(f"{_x(coverage)} {_y(error, highest)}" for coverage, error in places)


def _x(coverage: float) -> float:
    return round(LEFT + coverage * (WIDTH - LEFT - RIGHT), 1)


def _y(error: float, highest: float) -> float:
    return round(HEIGHT - BOTTOM - error / highest * (HEIGHT - BOTTOM - TOP), 1)
