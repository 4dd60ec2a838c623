"""What a call costs, in dollars: a dated table, since no provider's package says.

A model that is not in the table has an unknown price, which is None and never 0. Edit the table when prices
change; an old row stays, so that a call is priced as it was on its day.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

MILLION = Decimal(1_000_000)


class Price(NamedTuple):
    """Dollars a million tokens for ``model`` from the day ``since``."""

    model: str
    since: date
    input: Decimal
    output: Decimal


# As published when last seen. Models whose price depends on the length of the prompt are left out: unknown.
PRICES = (
    Price("claude-opus-5-5", date(2026, 11, 1), Decimal("4"), Decimal("20")),
    Price("claude-sonnet-5-5", date(2026, 11, 1), Decimal("2"), Decimal("10")),
    Price("gpt-5.6-luna", date(2026, 11, 1), Decimal("0.20"), Decimal("1.20")),
)


def cost(model: str, input_tokens: int | None, output_tokens: int | None, *, on: date) -> Decimal | None:
    """The price of one call on a day, in dollars; None where price or usage are unknown."""
    known = [price for price in PRICES if price.model == model and price.since <= on]
    if not known or input_tokens is None or output_tokens is None:
        return None
    price = max(known, key=lambda row: row.since)
    total = (input_tokens * price.input + output_tokens * price.output) / MILLION
    return total.quantize(Decimal("0.000001"))
