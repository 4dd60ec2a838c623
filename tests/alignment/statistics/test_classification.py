"""Precision, recall and F1 of labels, held against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from alignment.statistics.classification import OTHER, classification

LABELS = ("late", "broken", "lost")


def test_it_is_what_scikit_learn_says():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    answered = np.where(rng.random(200) < 0.7, truth, rng.integers(0, 3, 200))
    found = classification(truth, answered, np.arange(200), labels=LABELS)
    precision, recall, f1, support = precision_recall_fscore_support(truth, answered)
    for index, label in enumerate(found.labels):
        assert label.precision.value == pytest.approx(precision[index])
        assert label.recall.value == pytest.approx(recall[index])
        assert label.f1.value == pytest.approx(f1[index])
        assert label.f1.low <= label.f1.value <= label.f1.high
        assert label.support == support[index]
    assert found.macro_f1.value == pytest.approx(f1.mean())
    assert found.accuracy.value == pytest.approx((truth == answered).mean())


def test_an_answer_that_is_no_label_is_wrong_and_counted():
    found = classification([0, 0, 1], [0, OTHER, 1], [0, 1, 2], labels=LABELS[:2])
    late = found.labels[0]
    assert (late.precision.value, late.recall.value, found.other) == (1.0, 0.5, 1)


def test_a_label_that_nobody_gives_has_no_precision():
    found = classification([0, 1, 0], [0, 0, 0], [0, 1, 2], labels=LABELS)
    assert found.labels[1].precision.value is None
    assert found.labels[1].recall.value == 0
    assert found.labels[2].f1.value is None
    assert found.macro_f1.value == pytest.approx(0.4)


def test_no_rows_have_no_scores():
    assert classification([], [], [], labels=LABELS).accuracy.value is None


@pytest.mark.parametrize(("truth", "answered"), [([3], [0]), ([0], [-2])])
def test_what_is_no_label_is_refused(truth, answered):
    with pytest.raises(ValueError, match="indices into labels"):
        classification(truth, answered, [0], labels=LABELS)
