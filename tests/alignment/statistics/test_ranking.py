"""Bradley–Terry: published data, two other implementations, ties, style, and models that never met."""

import choix
import evalica
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.statistics.intervals import Resampling
from alignment.statistics.ranking import Disconnected, bradley_terry
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

# Agresti, "Categorical Data Analysis" (2013), table 11.10: wins of the row's team over the column's in the American
# League's Eastern Division of 1987; Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]


def games(wins):
    rows = [
        (one, two, FIRST)
        for one, line in enumerate(wins)
        for two, count in enumerate(line)
        for _ in range(count)
    ]
    first, second, verdicts = np.array(rows).T
    return first, second, verdicts, np.arange(len(rows))


def simulated(n=2000, models=6, ties=0.1, seed=0, strengths=None):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=models) if strengths is None else strengths
    first = rng.integers(0, models, n)
    second = (first + rng.integers(1, models, n)) % models
    won = rng.random(n) < 1 / (1 + np.exp(theta[second] - theta[first]))
    verdicts = np.where(rng.random(n) < ties, TIE, np.where(won, FIRST, SECOND))
    return first, second, verdicts, np.arange(n)


def test_the_baseball_teams_get_agrestis_strengths():
    ranking = bradley_terry(*games(BASEBALL), n_models=7)
    strengths = np.array([strength.value for strength in ranking.strengths])
    # Agresti, table 11.11, with Baltimore at 0.
    assert strengths - strengths[6] == pytest.approx([1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0], abs=0.006)
    assert ranking.order == [0, 1, 2, 3, 4, 5, 6]
    assert ranking.chance(0, 6) == pytest.approx(0.83, abs=0.005)
    assert ranking.strengths[0].n == 78


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_strengths_agree_with_choix(seed):
    first, second, verdicts, prompts = simulated(400, 5, ties=0, seed=seed)
    won = verdicts == FIRST
    pairs = list(zip(np.where(won, first, second), np.where(won, second, first), strict=True))
    expected = choix.opt_pairwise(5, pairs, alpha=1e-6, tol=1e-12)
    ours = bradley_terry(first, second, verdicts, prompts, n_models=5, ridge=1e-6)
    assert [strength.value for strength in ours.strengths] == pytest.approx(
        expected - expected.mean(), abs=1e-5
    )


def test_strengths_agree_with_evalica_on_ties():
    first, second, verdicts, prompts = simulated(3000, 6, ties=0.3)
    winners = {FIRST: evalica.Winner.X, SECOND: evalica.Winner.Y, TIE: evalica.Winner.Draw}
    theirs = evalica.bradley_terry(
        first.tolist(), second.tolist(), [winners[verdict] for verdict in verdicts.tolist()], win_weight=1.0,
        tie_weight=0.5, tolerance=1e-12, limit=10_000,
    ).scores.sort_index()  # fmt: skip
    expected = np.log(theirs.to_numpy())
    ours = bradley_terry(first, second, verdicts, prompts, n_models=6, ridge=0)
    assert [strength.value for strength in ours.strengths] == pytest.approx(
        expected - expected.mean(), abs=1e-8
    )


def test_counted_and_row_by_row_are_the_same():
    """Every row its own prompt takes the counts; two rows to a prompt the rows."""
    first, second, verdicts, prompts = simulated(1000)
    one = bradley_terry(first, second, verdicts, prompts, n_models=6)
    twice = [np.concatenate([part, part]) for part in (first, second, verdicts, prompts)]
    two = bradley_terry(*twice, n_models=6)
    for alone, doubled in zip(one.strengths, two.strengths, strict=True):
        assert (doubled.value, doubled.low) == pytest.approx((alone.value, alone.low), abs=1e-6)
        assert doubled.n == 2 * alone.n


def test_large_designs_are_the_same_held_sparsely(monkeypatch):
    rows = simulated(500)
    style = np.random.default_rng(0).normal(size=(500, 1))
    dense = bradley_terry(*rows, n_models=6, styles=style)
    monkeypatch.setattr("alignment.statistics.ranking._DENSE", 0)
    held = bradley_terry(*rows, n_models=6, styles=style)
    assert held.strengths[0].low == pytest.approx(dense.strengths[0].low)
    assert held.styles[0].high == pytest.approx(dense.styles[0].high)


def test_intervals_cover_the_truth_as_often_as_they_say():
    theta = np.array([0.8, 0.3, 0.0, -0.4, -0.7])
    covered = 0
    for seed in range(200):
        ranking = bradley_terry(*simulated(300, 5, ties=0, seed=seed, strengths=theta), n_models=5)
        covered += ranking.strengths[0].low <= 0.8 <= ranking.strengths[0].high
    assert 180 <= covered <= 199


def test_style_is_told_apart_from_strength():
    """Model 0 writes long and is no better; without the covariate it seems so."""
    rng = np.random.default_rng(0)
    first, second = np.zeros(3000, int), rng.integers(1, 3, 3000)
    longer = rng.normal(1, 1, 3000)
    verdicts = np.where(rng.random(3000) < 1 / (1 + np.exp(-longer)), FIRST, SECOND)
    plain = bradley_terry(first, second, verdicts, np.arange(3000), n_models=3)
    styled = bradley_terry(first, second, verdicts, np.arange(3000), n_models=3, styles=longer[:, None])
    assert plain.best[0] == plain.worst[0] == 1
    assert styled.strengths[0].low < 0 < styled.strengths[0].high
    assert styled.styles[0].low < 1 < styled.styles[0].high
    assert (styled.best[0], styled.worst[0]) == (1, 3)


def test_models_that_never_met_are_refused_by_name():
    with pytest.raises(Disconnected, match="2 parts") as refusal:
        bradley_terry([0, 2], [1, 3], [FIRST, SECOND], [0, 1], n_models=4)
    assert refusal.value.parts == [[0, 1], [2, 3]]


def test_missing_verdicts_do_not_count_and_others_are_refused():
    first, second, verdicts, prompts = simulated(300)
    options = {"n_models": 6, "resampling": Resampling(level=0.9)}
    whole = bradley_terry(first, second, verdicts, prompts, **options)
    more = [np.append(part, [0, 1]) for part in (first, second)]
    extended = bradley_terry(*more, np.append(verdicts, [MISSING] * 2), np.append(prompts, [1, 1]), **options)
    assert extended.strengths == whole.strengths
    with pytest.raises(ValueError, match="FIRST, SECOND"):
        bradley_terry([0], [1], [3], [0], n_models=2)


def test_a_model_that_lost_everything_has_a_finite_strength():
    ranking = bradley_terry([0, 0, 0], [1, 1, 1], [FIRST] * 3, [0, 1, 2], n_models=2)
    assert np.isfinite(ranking.strengths[1].value)
    assert ranking.order == [0, 1]
