"""Aggregation: majorities, the accuracies behind the verdicts, and confidence that means what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics import aggregation
from alignment.statistics.aggregation import consensus, fit_one_coin, majority_vote, split_rankings
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, encode

SHARES = np.array([0.45, 0.45, 0.1])


def simulate(n, per_item, accuracy, seed=0, shares=SHARES):
    """Verdicts of ``per_item`` raters an item who err as the model says: in proportion to ``shares``."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=shares)
    items = np.repeat(np.arange(n), per_item)
    raters = np.argsort(rng.random((n, len(accuracy))), axis=1)[:, :per_item].ravel()
    wrong = np.array(
        [rng.choice(3, p=np.where(np.arange(3) == t, 0, shares) / (1 - shares[t])) for t in truth[items]]
    )
    labels = np.where(rng.random(len(items)) < np.array(accuracy)[raters], truth[items], wrong)
    return truth, items, raters, labels


def test_majority_needs_more_than_half():
    items = [0, 0, 0, 1, 1, 2, 3, 3, 3, 3]
    labels = [7, 7, 2, 1, 0, 2, 1, 1, 0, 2]
    assert majority_vote(items, labels, 5).tolist() == [7, MISSING, 2, MISSING, MISSING]
    assert majority_vote([], [], 2).tolist() == [MISSING, MISSING]
    with pytest.raises(ValueError, match="must be left out"):
        majority_vote([0], [MISSING], 1)


def test_accuracies_are_found():
    accuracy = [0.55, 0.7, 0.8, 0.9, 0.97]
    _, items, raters, labels = simulate(4000, 3, accuracy)
    model = fit_one_coin(items, raters, labels, 5)
    assert model.accuracy == pytest.approx(accuracy, abs=0.03)
    assert model.prior == pytest.approx(SHARES, abs=0.03)
    assert model.prior[FIRST] == model.prior[SECOND]


@pytest.mark.parametrize("ties", [0.0, 0.1, 0.4])
def test_confidence_is_the_share_that_is_right(ties):
    shares = np.array([(1 - ties) / 2, (1 - ties) / 2, ties])
    truth, items, raters, labels = simulate(6000, 3, [0.6, 0.7, 0.75, 0.8, 0.9], shares=shares)
    posterior = fit_one_coin(items, raters, labels, 5).posterior(items, raters, labels, 6000)
    sure, right = posterior.max(axis=1), posterior.argmax(axis=1) == truth
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1)):
        inside = (sure > low) & (sure <= high)
        assert right[inside].mean() == pytest.approx(sure[inside].mean(), abs=0.05)


def test_lone_verdicts_do_not_praise_their_rater():
    _, items, raters, labels = simulate(600, 3, [0.8, 0.8, 0.8, 0.6])
    overlapping = fit_one_coin(items, raters, labels, 4)
    lone = np.arange(600, 50_600)
    many = fit_one_coin(
        np.concatenate([items, lone]),
        np.concatenate([raters, np.full(50_000, 3)]),
        np.concatenate([labels, np.random.default_rng(1).choice(3, 50_000, p=SHARES)]),
        4,
    )
    assert many.accuracy == pytest.approx(overlapping.accuracy, abs=0.01)


def test_a_rater_nobody_can_be_compared_with_is_right_three_times_in_four():
    model = fit_one_coin([0, 1, 2], [0, 0, 0], [FIRST, SECOND, FIRST], 1)
    assert model.accuracy.tolist() == [0.75]
    posterior = model.posterior([0], [0], [FIRST], 2)
    assert posterior[0, FIRST] == pytest.approx(0.75, abs=0.03)
    assert posterior[1] == pytest.approx(model.prior)


def test_fitting_stops_where_it_does_not_settle(monkeypatch):
    monkeypatch.setattr(aggregation, "_MAX_ITERATIONS", 1)
    _, items, raters, labels = simulate(200, 3, [0.7, 0.8, 0.9])
    assert np.isfinite(fit_one_coin(items, raters, labels, 3).log_likelihood)


def test_no_verdicts_at_all_leave_the_assumptions():
    model = fit_one_coin([], [], [], 2)
    assert model.accuracy.tolist() == [0.75, 0.75]
    assert model.posterior([], [], [], 0).shape == (0, 3)


def test_labels_that_are_no_verdicts_on_pairs_are_refused():
    with pytest.raises(ValueError, match="split longer rankings"):
        fit_one_coin([0], [0], [3], 1)
    with pytest.raises(ValueError, match="must be left out"):
        fit_one_coin([0], [0], [MISSING], 1)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.randoms(),
)
def test_row_order_and_the_order_of_responses_do_not_matter(rows, swapped, random):
    items, raters, labels = np.array(rows).T
    other = np.array([SECOND, FIRST, TIE])
    order = random.sample(range(len(rows)), len(rows))
    turned = np.where(np.array(swapped)[items], other[labels], labels)
    ours = fit_one_coin(items, raters, labels, 4)
    same = fit_one_coin(items[order], raters[order], turned[order], 4)
    assert same.accuracy == pytest.approx(ours.accuracy, abs=1e-6)
    posterior = ours.posterior(items, raters, labels, 7)
    flipped = same.posterior(items, raters, turned, 7)
    back = np.where(np.array(swapped)[:, None], flipped[:, other], flipped)
    assert back == pytest.approx(posterior, abs=1e-6)
    assert posterior.sum(axis=1) == pytest.approx(1)
    assert ((ours.accuracy > 0) & (ours.accuracy < 1)).all()


def test_rankings_split_into_their_pairs():
    encoded = encode([(1, 2), (2, 1, 2), (1, 1, 1)])
    split = split_rankings(np.array([0, 2, 2]), encoded.codes, encoded.rankings, 3)
    assert split.rows.tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert split.pairs.tolist() == [0, 1, 2, 3, 1, 2, 3]
    assert split.labels.tolist() == [FIRST, SECOND, TIE, FIRST, TIE, TIE, TIE]
    assert split.n_pairs == 4


def test_rankings_of_different_lengths_are_refused():
    encoded = encode([(1, 2), (2, 1, 2)])
    with pytest.raises(ValueError, match="same number of responses"):
        split_rankings(np.array([0, 0]), encoded.codes, encoded.rankings, 1)


def consensus_of(verdicts, n_items, n_raters):
    items, raters, rankings = zip(*verdicts, strict=True)
    encoded = encode(rankings)
    items, raters = np.array(items), np.array(raters)
    split = split_rankings(items, encoded.codes, encoded.rankings, n_items)
    model = fit_one_coin(split.pairs, raters[split.rows], split.labels, n_raters)
    best = consensus(model, items, raters, encoded.codes, split, n_items)
    return [None if code == MISSING else encoded.rankings[code] for code in best.codes], best.confidence


def test_consensus_takes_the_ranking_that_the_better_raters_give():
    agreed = [(item, rater, (1, 2, 3)) for item in range(20) for rater in (0, 1)]
    wrong = [(item, 2, (3, 2, 1)) for item in range(20)]
    contested = [(20, 0, (1, 3, 2)), (20, 2, (2, 1, 3))]
    rankings, confidence = consensus_of([*agreed, *wrong, *contested], 22, 3)
    assert rankings[:20] == [(1, 2, 3)] * 20
    assert rankings[20:] == [(1, 3, 2), None]
    assert confidence[0] > 0.95
    assert confidence[20] < confidence[0]
    assert np.isnan(confidence[21])


def test_consensus_on_pairs_is_the_posterior():
    verdicts = [(0, 0, (1, 2)), (0, 1, (1, 2)), (1, 0, (2, 1)), (1, 1, (1, 1)), (2, 1, (1, 2))]
    rankings, confidence = consensus_of(verdicts, 3, 2)
    model = fit_one_coin([0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [FIRST, FIRST, SECOND, TIE, FIRST], 2)
    posterior = model.posterior([0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [FIRST, FIRST, SECOND, TIE, FIRST], 3)
    assert confidence == pytest.approx(
        [posterior[0, FIRST], posterior[1, [SECOND, TIE]].max(), posterior[2, FIRST]]
    )
    assert rankings[0] == rankings[2] == (1, 2)
