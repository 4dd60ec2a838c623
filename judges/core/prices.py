"""What a call costs, in dollars: a dated table, since no provider's package says.

The table is ``prices.toml`` beside this module; a file of the same form in the var folder adds to it and
overrides it. What is not known (a model, a kind of token, usage that was not reported) makes the cost None,
never 0.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_UP, Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from judges.core.usage import Usage

MILLION = Decimal(1_000_000)
SMALLEST = Decimal("0.000001")  # dollars; a cost is rounded up to it, so that no paid call looks free
PACKAGED = Path(__file__).with_name("prices.toml")
KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
_SNAPSHOT = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")


class BadPrices(ValueError):
    """A price file that can not be used; the message names the file and the row."""


@dataclass(frozen=True)
class Tier:
    """Prices of a call whose prompt is longer than ``above`` tokens; a kind that is missing keeps its price."""

    above: int
    prices: Mapping[str, Decimal]


@dataclass(frozen=True)
class Price:
    """Dollars a million tokens of ``model`` from the day ``since``, by kind; ``batch`` multiplies them.

    A kind that is not in ``prices`` has an unknown price, and so has a batch where ``batch`` is None.
    """

    model: str
    since: date
    prices: Mapping[str, Decimal]
    batch: Decimal | None = None
    tiers: tuple[Tier, ...] = ()

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal | None:
        """Σ tokens · price over the kinds used, times ``batch`` where it was one; None where a part is unknown."""
        prompt = usage.prompt
        if prompt is None or usage.output is None or (batch and self.batch is None):
            return None
        prices, total = self._for_prompt(prompt), Decimal(0)
        for kind, tokens in zip(KINDS, _by_kind(usage), strict=True):
            if tokens and kind not in prices:
                return None
            total += tokens * prices.get(kind, Decimal(0))
        factor = self.batch if batch and self.batch is not None else Decimal(1)
        return (total * factor / MILLION).quantize(SMALLEST, ROUND_UP)

    def worst(self, prompt: int, output: int, *, batch: bool = False) -> Decimal | None:
        """The most that so many tokens can cost, wherever the prompt's are counted; None where it is unknown."""
        counted = (Usage(prompt, output), Usage(0, output, 0, prompt), Usage(0, output, 0, 0, prompt))
        costs = [cost for usage in counted if (cost := self.cost(usage, batch=batch)) is not None]
        return max(costs, default=None)

    def _for_prompt(self, tokens: int) -> Mapping[str, Decimal]:
        reached = [tier for tier in self.tiers if tokens > tier.above]
        return {**self.prices, **max(reached, key=lambda tier: tier.above).prices} if reached else self.prices


class PriceTable:
    """Prices by model and day; a later row of the same model and day replaces an earlier one."""

    def __init__(self, rows: Iterable[Price]) -> None:
        self.rows = {(row.model, row.since): row for row in rows}

    def price(self, model: str, *, on: date) -> Price | None:
        """The price of a model on a day, or of the model that a dated snapshot (``NAME-20261001``) is one of."""
        for name in dict.fromkeys((model, _SNAPSHOT.sub("", model))):
            known = [row for row in self.rows.values() if row.model == name and row.since <= on]
            if known:
                return max(known, key=lambda row: row.since)
        return None

    def cost(self, usage: Usage, *, model: str, on: date, batch: bool = False) -> Decimal | None:
        """The price of one call on a day, in dollars; None where price or usage are unknown."""
        price = self.price(model, on=on)
        return None if price is None else price.cost(usage, batch=batch)

    def last_changed(self) -> date:
        """The day of the newest row: how old the table may be."""
        return max(since for _, since in self.rows)


def price_table(override: Path | None = None) -> PriceTable:
    """The package's prices, with those of ``override`` where that file exists. Raises BadPrices."""
    files = [PACKAGED] + ([override] if override and override.is_file() else [])
    return _table(tuple((file, file.stat().st_mtime_ns) for file in files))


def price_from(row: Mapping[str, Any], where: str = "price") -> Price:
    """A price from its form in a file. Raises BadPrices where a value is missing, negative or of a wrong type."""
    known = {"model", "since", "batch", "tier", *KINDS}
    if set(row) - known or not isinstance(row.get("model"), str) or type(row.get("since")) is not date:
        raise BadPrices(
            f"{where}: a row has a model, a day “since”, and of {', '.join(sorted(known))} what applies."
        )
    tiers = row.get("tier", [])
    if not isinstance(tiers, list) or not all(isinstance(tier, dict) for tier in tiers):
        raise BadPrices(f"{where}: each tier is a table [[price.tier]].")
    price = Price(row["model"], row["since"], _prices(row, where))
    if not {"input", "output"} <= set(price.prices):
        raise BadPrices(f"{where}: {price.model} needs a price of input and of output.")
    return replace(
        price,
        batch=_dollars(row["batch"], where) if "batch" in row else None,
        tiers=tuple(_tier(tier, where) for tier in tiers),
    )


@lru_cache(maxsize=8)
def _table(files: tuple[tuple[Path, int], ...]) -> PriceTable:
    """The second of each pair is when the file was changed: a table is read again when it was."""
    return PriceTable(price for file, _ in files for price in _read(file))


def _read(file: Path) -> list[Price]:
    try:
        rows = tomllib.loads(file.read_text()).get("price", [])
    except (OSError, ValueError) as error:
        raise BadPrices(f"{file} can not be read: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadPrices(f"{file}: each price is a table [[price]].")
    return [price_from(row, f"{file}, row {number}") for number, row in enumerate(rows, 1)]


def _tier(row: Mapping[str, Any], where: str) -> Tier:
    above = row.get("above")
    if type(above) is not int or above < 0 or set(row) - {"above", *KINDS}:
        raise BadPrices(f"{where}: a tier has “above”, a whole number of tokens, and prices.")
    return Tier(above, _prices(row, where))


def _prices(row: Mapping[str, Any], where: str) -> dict[str, Decimal]:
    return {kind: _dollars(row[kind], where) for kind in KINDS if kind in row}


def _dollars(value: Any, where: str) -> Decimal:
    try:
        dollars = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except InvalidOperation:
        dollars = None
    if dollars is None or not dollars.is_finite() or dollars < 0:
        raise BadPrices(f'{where}: {value!r} is no price; write dollars as text, such as "0.20".')
    return dollars


def _by_kind(usage: Usage) -> tuple[int, int, int, int, int]:
    return usage.input or 0, usage.output or 0, usage.cache_read, usage.cache_write, usage.cache_write_1h
