"""PPO's formulas, held against the same written another way."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.runner.ppo import (
    advantages_and_returns,
    make_batch,
    policy_losses,
    rate_factor,
    steered,
    value_losses,
)


def brute_force(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """A_t = Σ_k (γλ)^k δ_t+k, each δ from its definition: no recursion."""
    after = [*values[1:], 0.0]
    deltas = [r + gamma * n - v for r, n, v in zip(rewards, after, values, strict=True)]
    return [
        sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(deltas))) for t in range(len(deltas))
    ]


@settings(max_examples=40)
@given(st.data())
def test_advantages_are_those_of_the_sum_they_stand_for(data: st.DataObject) -> None:
    number = st.floats(-3, 3)
    gamma, lam = data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))
    width = data.draw(st.integers(1, 8))
    start = data.draw(st.integers(0, width - 1))
    length = data.draw(st.integers(1, width - start))
    rewards = data.draw(st.lists(number, min_size=width, max_size=width))
    values = data.draw(st.lists(number, min_size=width, max_size=width))
    mask = torch.zeros(1, width, dtype=torch.float64)
    mask[0, start : start + length] = 1

    advantages, returns = advantages_and_returns(
        torch.tensor([rewards], dtype=torch.float64),
        torch.tensor([values], dtype=torch.float64),
        mask,
        gamma,
        lam,
    )

    own = slice(start, start + length)
    wanted = brute_force(rewards[own], values[own], gamma, lam)
    assert advantages[0, own].tolist() == pytest.approx(wanted, abs=1e-9)
    assert returns[0, own].tolist() == pytest.approx(
        [a + v for a, v in zip(wanted, values[own], strict=True)], abs=1e-9
    )
    outside = torch.cat([advantages[0, :start], advantages[0, start + length :]])
    assert not outside.any()


def test_policy_gradients_are_those_of_the_written_formula() -> None:
    torch.manual_seed(0)
    old, advantages = torch.randn(4, 6), torch.randn(4, 6)
    new = (old + 0.4 * torch.randn(4, 6)).requires_grad_()

    policy_losses(new, old, advantages, clip=0.2).sum().backward()

    # −A ρ where it is not at the clip or comes back from it; the clip has no slope.
    ratio = (new - old).exp().detach()
    beyond = ((advantages > 0) & (ratio > 1.2)) | ((advantages < 0) & (ratio < 0.8))
    assert beyond.any()
    assert not beyond.all()
    wanted = torch.where(beyond, 0.0, -advantages * ratio)
    torch.testing.assert_close(new.grad, wanted)


def test_value_gradients_are_those_of_the_written_formula() -> None:
    torch.manual_seed(0)
    old, returns = torch.randn(4, 6), torch.randn(4, 6)
    new = (old + 0.4 * torch.randn(4, 6)).requires_grad_()

    losses = value_losses(new, old, returns, clip=0.2)
    losses.sum().backward()

    values = new.detach()
    clipped = torch.minimum(torch.maximum(values, old - 0.2), old + 0.2)
    worse = (clipped - returns).square() > (values - returns).square()
    torch.testing.assert_close(
        losses.detach(), 0.5 * torch.where(worse, (clipped - returns) ** 2, (values - returns) ** 2)
    )
    held = worse & ((values - old).abs() > 0.2)
    assert held.any()
    torch.testing.assert_close(new.grad, torch.where(held, 0.0, values - returns))


def test_values_without_a_clip_are_squared_errors() -> None:
    new, returns = torch.tensor([[1.0, 5.0]]), torch.tensor([[0.0, 1.0]])

    assert value_losses(new, torch.zeros(1, 2), returns, clip=0).tolist() == [[0.5, 8.0]]


def test_rows_are_laid_side_by_side_and_only_responses_count() -> None:
    batch = make_batch([[1, 2], [1, 2, 3]], [[7, 8, 9], [7]], [True, True], pad=0, device=torch.device("cpu"))

    assert batch.ids_bs.tolist() == [[1, 2, 7, 8, 9], [1, 2, 3, 7, 0]]
    assert batch.start == 2
    assert batch.mask_bt.tolist() == [[1, 1, 1], [0, 1, 0]]


def test_a_response_without_a_grade_is_not_learnt_from() -> None:
    batch = make_batch([[1], [1]], [[7], [8]], [True, False], pad=0, device=torch.device("cpu"))

    assert batch.mask_bt.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("kl", "wanted"),
    [
        (6.0, 0.1),
        (60.0, 0.1 * (1 + 0.2 * 64 / 1000)),
        (0.0, 0.1 * (1 - 0.2 * 64 / 1000)),
        (6.6, 0.1 * 1.0064),
    ],
)
def test_the_price_of_kl_follows_the_target_within_bounds(kl: float, wanted: float) -> None:
    assert steered(0.1, kl, target=6.0, responses=64, horizon=1000) == pytest.approx(wanted)


def test_a_step_of_more_responses_than_the_horizon_moves_the_price_no_further() -> None:
    assert steered(0.1, 0.0, target=6.0, responses=8000, horizon=1000) == pytest.approx(0.08)


def test_without_a_target_the_price_stays() -> None:
    assert steered(0.1, 50.0, target=0.0, responses=64, horizon=1000) == 0.1


@pytest.mark.parametrize(
    ("scheduler", "wanted"),
    [
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25]),
        ("constant", [0, 0.5, 1, 1, 1, 1]),
        (
            "cosine",
            [0, 0.5, 1, 0.5 * (1 + math.cos(math.pi / 4)), 0.5, 0.5 * (1 + math.cos(3 * math.pi / 4))],
        ),
    ],
)
def test_the_learning_rate_rises_and_falls(scheduler: str, wanted: list[float]) -> None:
    assert [rate_factor(step, 6, 2, scheduler) for step in range(6)] == pytest.approx(wanted)
