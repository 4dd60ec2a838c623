"""Prices are dated, and what is unknown is not free."""

from datetime import date
from decimal import Decimal

import pytest

from judges.core import prices
from judges.core.prices import Price, cost

DAY = date(2026, 12, 1)


def test_a_known_model_costs_what_the_table_says():
    assert cost("claude-opus-5-5", 1_000_000, 500_000, on=DAY) == Decimal("14")
    assert cost("gpt-5.6-luna", 1000, 100, on=DAY) == Decimal("0.00032")


@pytest.mark.parametrize(
    ("model", "sent", "received", "day"),
    [
        ("my-own-model", 10, 10, DAY),
        ("claude-opus-5-5", None, 10, DAY),
        ("claude-opus-5-5", 10, None, DAY),
        ("claude-opus-5-5", 10, 10, date(2020, 1, 1)),
    ],
)
def test_an_unknown_price_or_usage_is_unknown_and_not_free(model, sent, received, day):
    assert cost(model, sent, received, on=day) is None


def test_a_call_is_priced_as_on_its_day(monkeypatch):
    table = [
        Price("m", date(2026, 1, 1), Decimal(1), Decimal(1)),
        Price("m", date(2026, 6, 1), Decimal(2), Decimal(2)),
    ]
    monkeypatch.setattr(prices, "PRICES", tuple(reversed(table)))
    assert cost("m", 1_000_000, 0, on=date(2026, 5, 31)) == 1
    assert cost("m", 1_000_000, 0, on=date(2026, 6, 1)) == 2
