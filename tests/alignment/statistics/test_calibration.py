"""Calibration: scikit-learn's figures, what is planted is found and mended, and no prompt calibrates itself."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from alignment.statistics.calibration import Calibrator, cross_fitted, fit_calibrator, reliability


def overconfident(n=2000, seed=0):
    """Says the odds squared."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 0.99, n)
    odds = (truth / (1 - truth)) ** 2
    return odds / (1 + odds), (rng.random(n) < truth).astype(float), np.arange(n)


def test_the_curve_and_the_brier_score_are_scikit_learns():
    confidence, right, prompts = overconfident()
    found = reliability(confidence, right, prompts, bins=8)
    accuracy, mean = calibration_curve(right, confidence, n_bins=8, strategy="quantile")
    assert [part.right.value for part in found.bins] == pytest.approx(accuracy.tolist())
    assert [part.confidence for part in found.bins] == pytest.approx(mean.tolist())
    assert found.brier.value == pytest.approx(brier_score_loss(right, confidence))
    assert found.ece.value == pytest.approx(
        np.mean([abs(part.confidence - part.right.value) for part in found.bins])
    )
    assert found.brier.low < found.brier.value < found.brier.high
    assert sum(part.right.n for part in found.bins) == 2000


def test_too_much_confidence_is_found_and_mended():
    confidence, right, prompts = overconfident()
    calibrator = fit_calibrator(confidence, right)
    assert calibrator.slope == pytest.approx(0.5, abs=0.06)
    mended = cross_fitted(confidence, right, prompts)
    before, after = reliability(confidence, right, prompts), reliability(mended, right, prompts)
    assert after.ece.value < 0.5 * before.ece.value
    assert after.brier.value < before.brier.value


def test_a_handful_of_rows_moves_confidence_little():
    assert fit_calibrator([], []) == pytest.approx((0, 1), abs=1e-3)
    calibrator = fit_calibrator([0.9, 0.8, 0.95], [1, 1, 1])
    assert np.isfinite(calibrator.apply([0.0, 0.5, 1.0])).all()
    assert Calibrator(0, 1).apply([0.3]) == pytest.approx([0.3])


def test_no_prompt_has_a_say_in_its_own_confidence():
    confidence, right, prompts = overconfident(200)
    before = cross_fitted(confidence, right, prompts // 2)
    changed = right.copy()
    changed[:2] = 1 - changed[:2]  # one prompt
    after = cross_fitted(confidence, changed, prompts // 2)
    assert after[:2].tolist() == before[:2].tolist()
    assert (after[2:] != before[2:]).any()


def test_equal_confidences_share_a_bin_and_nothing_is_undefined():
    found = reliability([0.7] * 6 + [0.9] * 4, [1] * 10, np.arange(10), bins=5)
    assert [(part.low, part.high) for part in found.bins] == [(0.7, 0.7), (0.9, 0.9)]
    empty = reliability([], [], [])
    assert (empty.bins, empty.ece.reason, empty.brier.reason) == ([], "no data", "no data")
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability([1.2], [1], [0])
