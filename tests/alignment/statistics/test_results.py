"""A statistic is a value with its interval, n and exclusions, or a reason."""

import pytest

from alignment.statistics.results import Statistic


@pytest.mark.parametrize(
    ("statistic", "shown"),
    [
        (Statistic(0.5, 0.4, 0.6, 10), {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}),
        (
            Statistic(0.5, 0.4, 0.6, 10, excluded=3),
            {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "excluded": 3},
        ),
        (
            Statistic(0.5, None, None, 10, "one cluster only"),
            {"value": 0.5, "low": None, "high": None, "n": 10, "reason": "one cluster only"},
        ),
        (Statistic.undefined("no variation", 4), {"value": None, "n": 4, "reason": "no variation"}),
        (
            Statistic.undefined("no data", 0, excluded=2),
            {"value": None, "n": 0, "reason": "no data", "excluded": 2},
        ),
    ],
)
def test_json_says_what_is_known(statistic, shown):
    assert statistic.as_json() == shown
