"""A share knows how many clusters it rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.intervals import wilson
from judges.core.shares import Clusters, share_statistic

clusters = st.lists(st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1)


def sums(rows):
    return Clusters(
        len(rows),
        sum(hits for hits, _ in rows),
        sum(n for _, n in rows),
        sum(hits * hits for hits, _ in rows),
        sum(hits * n for hits, n in rows),
        sum(n * n for _, n in rows),
    )


def test_nothing_has_no_value_but_a_reason():
    assert share_statistic(Clusters(0, 0, 0, 0, 0, 0)) == {"value": None, "reason": "nothing asked yet"}


def test_clusters_of_one_give_wilsons_interval_on_nearly_all_rows():
    found = share_statistic(sums([(1, 1)] * 30 + [(0, 1)] * 10))
    expected = wilson(30, 40)
    assert (found["value"], found["n"]) == (0.75, 40)
    assert found["low"] == pytest.approx(expected.low, abs=0.005)
    assert found["high"] == pytest.approx(expected.high, abs=0.005)


def test_rows_that_repeat_their_cluster_add_nothing():
    few, many = (
        share_statistic(sums([(1, 1)] * 30 + [(0, 1)] * 10)),
        share_statistic(sums([(5, 5)] * 30 + [(0, 5)] * 10)),
    )
    assert many["n"] == 200
    assert many["low"] == pytest.approx(few["low"])
    assert many["high"] == pytest.approx(few["high"])


@pytest.mark.parametrize("hits", [0, 4])
def test_without_variation_a_cluster_counts_once(hits):
    found, expected = share_statistic(sums([(hits, 4)] * 20)), wilson(20 * hits // 4, 20)
    assert found["low"] == pytest.approx(expected.low)
    assert found["high"] == pytest.approx(expected.high)


def test_clusters_that_are_all_alike_inside_count_all_their_rows():
    assert share_statistic(sums([(1, 2)] * 50))["low"] == pytest.approx(wilson(50, 100).low)


@given(clusters)
def test_the_interval_holds_the_share_and_stays_in_bounds(rows):
    found = share_statistic(sums(rows))
    assert -1e-9 <= found["low"] <= found["value"] + 1e-9
    assert found["value"] - 1e-9 <= found["high"] <= 1 + 1e-9
    assert found["n"] == sum(n for _, n in rows)
