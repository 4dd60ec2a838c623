"""Dawid and Skene: their own data, an expectation maximisation written out, families, gold and smoothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.statistics.dawid_skene import family_weights, fit_dawid_skene
from alignment.statistics.verdicts import MISSING

# Dawid and Skene (1979), table 1: 45 patients, five anaesthetists, the first of whom judged three times.
ANAESTHETISTS = """1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343
1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111
2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111
1111111 1212111 2322222 1211111 2222222""".split()  # noqa: SIM905


def anaesthetists():
    labels = np.array([[int(digit) - 1 for digit in row] for row in ANAESTHETISTS])
    items = np.repeat(np.arange(45), 7)
    raters = np.tile([0, 0, 0, 1, 2, 3, 4], 45)
    return items, raters, labels.ravel()


def test_the_anaesthetists_get_their_published_rates():
    items, raters, labels = anaesthetists()
    found = fit_dawid_skene(items, raters, labels, n_items=45, n_raters=5, n_classes=4, smoothing=0)
    # Table 2 of the paper: the shares of the classes, and the error rates of observer 1.
    assert found.prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.006)
    assert found.confusion[0, 0] == pytest.approx([0.89, 0.11, 0.00, 0.00], abs=0.006)
    assert found.confusion[0, 1] == pytest.approx([0.07, 0.88, 0.05, 0.00], abs=0.006)
    assert found.confusion[0, 2] == pytest.approx([0.00, 0.34, 0.66, 0.00], abs=0.006)
    assert found.converged


def written_out(items, raters, labels, n_items, n_raters, n_classes, iterations):
    """The paper's equations 2.3 to 2.5, started from the votes."""
    counts = np.zeros((n_items, n_raters, n_classes))
    for item, rater, label in zip(items, raters, labels, strict=True):
        counts[item, rater, label] += 1
    posterior = counts.sum(1) / counts.sum((1, 2))[:, None]
    for _ in range(iterations):
        prior = posterior.mean(0)
        confusion = np.einsum("ij,ikl->kjl", posterior, counts)
        confusion /= np.maximum(confusion.sum(2, keepdims=True), 1e-12)
        logs = np.einsum("ikl,kjl->ij", counts, np.log(np.maximum(confusion, 1e-12)))
        chance = prior * np.exp(logs - logs.max(1, keepdims=True))
        posterior = chance / chance.sum(1, keepdims=True)
    return posterior


@pytest.mark.parametrize("crowd", [5, 40])  # few raters: many items alike; many raters: none
def test_the_posterior_is_the_papers(crowd):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    items = np.repeat(np.arange(300), 5)
    raters = np.argsort(rng.random((300, crowd)), axis=1)[:, :5].ravel()
    labels = np.where(rng.random(1500) < 0.75, truth[items], rng.integers(0, 3, 1500))
    order = rng.permutation(1500)
    found = fit_dawid_skene(
        items[order], raters[order], labels[order], n_items=300, n_raters=crowd, n_classes=3, smoothing=0
    )
    expected = written_out(items, raters, labels, 300, crowd, 3, found.iterations)
    assert found.posterior == pytest.approx(expected, abs=1e-9)
    assert (found.posterior.argmax(1) == truth).mean() > 0.85


@given(data=st.data())
def test_what_it_gives_are_chances_whatever_the_names_of_raters(data):
    rows = data.draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 2)), max_size=40)
    )
    items, raters, labels = np.array(rows).reshape(-1, 3).T
    found = fit_dawid_skene(items, raters, labels, n_items=7, n_raters=4, n_classes=3)
    assert found.posterior.sum(1) == pytest.approx(np.ones(7))
    assert found.confusion.sum(2) == pytest.approx(np.ones((4, 3))) or not rows
    renamed = fit_dawid_skene(items, 3 - raters, labels, n_items=7, n_raters=4, n_classes=3)
    assert renamed.posterior == pytest.approx(found.posterior, abs=1e-9)


def test_smoothing_takes_a_newcomer_for_an_average_rater():
    items, raters, labels = anaesthetists()
    rows = {"n_items": 45, "n_raters": 6, "n_classes": 4}
    found = fit_dawid_skene(np.append(items, 0), np.append(raters, 5), np.append(labels, 3), **rows)
    assert found.confusion[5, 1, 1] > 0.6  # never asked about class 2, and trusted with it as the others are
    assert found.confusion[5, 0].sum() == pytest.approx(1)


def test_gold_anchors_the_classes():
    """Four raters in a clique outvote two good ones, unless some answers are known."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 400)
    clique = np.where(rng.random(400) < 0.7, truth, 1 - truth)  # one opinion, given four times
    good = [np.where(rng.random(400) < 0.9, truth, 1 - truth) for _ in range(2)]
    labels = np.concatenate([clique, clique, clique, clique, *good])
    items, raters = np.tile(np.arange(400), 6), np.repeat(np.arange(6), 400)
    rows = {"n_items": 400, "n_raters": 6, "n_classes": 2}
    gold = np.full(400, MISSING)
    gold[:150] = truth[:150]
    alone = fit_dawid_skene(items, raters, labels, **rows)
    anchored = fit_dawid_skene(items, raters, labels, gold=gold, **rows)
    assert (anchored.posterior[:150].argmax(1) == truth[:150]).all()
    assert anchored.confusion[4, 0, 0] > alone.confusion[4, 0, 0] + 0.05
    families = np.array([0, 0, 0, 0, 1, 2])[raters]
    merged = fit_dawid_skene(items, raters, labels, weights=family_weights(items, families), **rows)
    right = [(found.posterior.argmax(1) == truth)[150:].mean() for found in (alone, merged)]
    assert right[1] > right[0] + 0.05


def test_a_family_counts_for_no_more_than_it_may():
    items, families = np.array([0, 0, 0, 1, 1]), np.array([7, 7, 3, 7, 3])
    assert family_weights(items, families).tolist() == [0.5, 0.5, 1, 1, 1]
    assert family_weights(items, families, most=1.5).tolist() == [0.75, 0.75, 1, 1, 1]
    with pytest.raises(ValueError, match="more than 0"):
        family_weights(items, families, most=0)


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(ValueError, match="below n_classes"):
        fit_dawid_skene([0], [0], [2], n_items=1, n_raters=1, n_classes=2)
