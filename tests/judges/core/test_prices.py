"""Prices are dated, tiered by the prompt's length, and what is unknown is not free."""

import os
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.prices import BadPrices, Price, PriceTable, Tier, price_from, price_table
from judges.core.usage import Usage

DAY = date(2026, 12, 1)
PACKAGED = price_table()


def dollars(model, *counts, on=DAY, batch=False):
    return PACKAGED.cost(Usage(*counts), model=model, on=on, batch=batch)


def test_a_known_model_costs_what_the_table_says():
    assert dollars("claude-opus-5-5", 1_000_000, 500_000) == Decimal("14")
    assert dollars("gpt-5.6-luna", 1000, 100) == Decimal("0.00032")


def test_tokens_read_from_a_cache_and_written_to_it_have_prices_of_their_own():
    assert dollars("claude-opus-5-5", 0, 0, 1_000_000) == Decimal("0.20")
    assert dollars("claude-opus-5-5", 0, 0, 0, 1_000_000) == Decimal("5")
    assert dollars("claude-opus-5-5", 0, 0, 0, 0, 1_000_000) == Decimal("8")


def test_a_batch_costs_half():
    assert dollars("claude-sonnet-5-5", 1_000_000, 100_000, 1_000_000, batch=True) == Decimal("1.55")


def test_a_long_prompt_is_dearer_as_a_whole_and_its_cached_part_counts_as_length():
    assert dollars("claude-haiku-5-5", 100_000, 1000) == Decimal("0.0105")
    assert dollars("claude-haiku-5-5", 100_001, 1000) == Decimal("0.052501")  # 0.0525005, rounded up
    assert dollars("claude-haiku-5-5", 1, 0, 100_000) == Decimal("0.005001")


@pytest.mark.parametrize(
    ("model", "counts", "day", "batch"),
    [
        ("my-own-model", (10, 10), DAY, False),
        ("claude-opus-5-5", (None, 10), DAY, False),
        ("claude-opus-5-5", (10, None), DAY, False),
        ("claude-opus-5-5", (10, 10), date(2020, 1, 1), False),
        ("gpt-5.6-luna", (10, 10, 0, 0, 10), DAY, False),
    ],
)
def test_an_unknown_price_or_usage_is_unknown_and_not_free(model, counts, day, batch):
    assert dollars(model, *counts, on=day, batch=batch) is None


def test_a_batch_of_a_model_without_a_batch_price_costs_something_unknown():
    price = Price("m", DAY, {"input": Decimal(1), "output": Decimal(1)})
    assert price.cost(Usage(1, 1), batch=True) is None


def test_a_call_is_priced_as_on_its_day():
    assert dollars("claude-sonnet-5-5", 0, 0, 1_000_000, on=date(2026, 10, 6)) == Decimal("0.20")
    assert dollars("claude-sonnet-5-5", 0, 0, 1_000_000, on=date(2026, 10, 7)) == Decimal("0.10")


@pytest.mark.parametrize("name", ["gpt-5.6-luna-2026-07-09", "gpt-5.6-luna-20260709"])
def test_a_dated_snapshot_costs_what_its_model_costs(name):
    assert dollars(name, 1000, 100) == Decimal("0.00032")


@pytest.mark.parametrize("name", ["gpt-5.6-luna-mini", "my-gpt-5.6-luna", "gpt-5.6-luna-2026", "gpt-5.6"])
def test_a_name_that_only_looks_alike_is_unknown(name):
    assert dollars(name, 1000, 100) is None


def test_a_file_adds_to_the_table_and_replaces_rows_of_the_same_day(tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[price]]\nmodel = "our-llama"\nsince = 2026-01-01\ninput = "0.01"\noutput = "0.02"\n'
        '[[price]]\nmodel = "claude-opus-5-5"\nsince = 2026-11-01\ninput = "3"\noutput = "15"\n'
    )
    table = price_table(file)
    assert table.cost(Usage(1_000_000, 0), model="our-llama", on=DAY) == Decimal("0.01")
    assert table.cost(Usage(1_000_000, 0), model="claude-opus-5-5", on=DAY) == 3
    assert dollars("claude-opus-5-5", 1_000_000, 0) == 4


def test_a_file_that_is_edited_is_read_again(tmp_path):
    file = tmp_path / "prices.toml"
    row = '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "{}"\noutput = "1"\n'
    file.write_text(row.format(1))
    assert price_table(file).cost(Usage(1_000_000, 0), model="m", on=DAY) == 1
    file.write_text(row.format(2))
    os.utime(file, ns=(1, 1))
    assert price_table(file).cost(Usage(1_000_000, 0), model="m", on=DAY) == 2


def test_a_file_that_is_not_there_changes_nothing(tmp_path):
    assert price_table(tmp_path / "prices.toml").rows == PACKAGED.rows


@pytest.mark.parametrize(
    "text",
    [
        "[[price]",
        "price = 3",
        "price = [1]",
        '[[price]]\nmodel = "m"\ninput = "1"\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = 1.5\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "-1"\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "NaN"\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = true\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "x"\noutput = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "1"\noutput = "1"\ncached = "1"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "1"\noutput = "1"\ntier = 3',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01\ninput = "1"\noutput = "1"\n[[price.tier]]\ninput = "2"',
        '[[price]]\nmodel = "m"\nsince = 2026-01-01T00:00:00\ninput = "1"\noutput = "1"',
    ],
)
def test_a_file_that_makes_no_sense_is_refused_and_named(tmp_path, text):
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(BadPrices, match=r"prices\.toml"):
        price_table(file)


def test_the_packaged_table_has_a_price_for_every_kind_that_its_provider_bills():
    for price in PACKAGED.rows.values():
        assert {"input", "output", "cache_read", "cache_write_5m"} <= set(price.prices), price.model
        assert price.batch == Decimal("0.5")
        assert price.prices["cache_read"] < price.prices["input"] < price.prices["output"]
    assert PACKAGED.last_changed() == max(price.since for price in PACKAGED.rows.values())


def test_a_judge_can_have_a_price_of_its_own():
    price = price_from({"model": "m", "since": DAY, "input": "1", "output": "2"})
    assert PriceTable([price]).cost(Usage(1_000_000, 1_000_000), model="m", on=DAY) == 3


counts = st.integers(0, 2_000_000)


@given(counts, counts, counts, counts, counts, st.booleans())
def test_a_call_never_costs_less_with_more_tokens_and_nothing_only_for_nothing(a, b, c, d, e, batch):
    price = Price(
        "m",
        DAY,
        dict.fromkeys(("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"), Decimal("0.07")),
        Decimal("0.5"),
        (Tier(200_000, {"input": Decimal("0.14")}),),
    )
    usage = Usage(a, b, c, d, e)
    told = price.cost(usage, batch=batch)
    assert (told == 0) == (not any(usage))
    assert price.cost(usage._replace(output=b + 1), batch=batch) >= told
    assert price.cost(usage._replace(input=a + 1), batch=batch) >= told
