"""The formula: as Python computes it, but for ^; everything else is refused."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.graders.formula import BadFormula, formula

NAMES = {"a": 0.5, "b": 2.0, "c_1": -3.0}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1", 1.0),
        ("(a + b) / 2", 1.25),
        ("0.5 * a + 0.5*b", 1.25),
        ("-b^2", -4.0),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("--b", 2.0),
        ("1 - 2 - 3", -4.0),
        ("8 / 2 / 2", 2.0),
        (".5e1", 5.0),
        ("min(a, b, 1)", 0.5),
        ("max(a, c_1)", 0.5),
        ("abs(c_1) + floor(1.7) + ceil(1.2)", 6.0),
        ("exp(0) + sqrt(4) + log(1)", 3.0),
    ],
)
def test_it_computes(source: str, value: float):
    assert formula(source).value(NAMES) == pytest.approx(value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "it ends too early"),
        ("a +", "it ends too early"),
        ("a b", "'b' is in a place where nothing is expected"),
        ("(a", r"a \) is missing"),
        ("a)", "'\\)' is in a place"),
        ("a ** b", "'\\*' is in the place of a number"),
        ("sin(a)", "sin is no function"),
        ("abs(a, b)", "abs takes 1 argument, not 2"),
        ("a.__class__", "'.__class__' is neither"),
        ("a[0]", "'\\[0\\]' is neither"),
        ("'a'", "is neither number, name nor operator"),
        ("(" * 60 + "1" + ")" * 60, "nested more than 50 deep"),
        ("1+" * 1001 + "1", "at most 2000 are read"),
    ],
)
def test_what_is_no_formula_is_refused(source: str, problem: str):
    with pytest.raises(BadFormula, match=problem):
        formula(source)


@pytest.mark.parametrize(
    "source", ["1 / (a - a)", "log(0)", "sqrt(-1)", "(-1)^0.5", "exp(1000)", "10^400", "0^-1"]
)
def test_what_has_no_real_result_has_none(source: str):
    with pytest.raises(BadFormula, match="has no result"):
        formula(source).value(NAMES)


def test_a_long_sum_has_a_result_or_says_that_it_has_none():
    for terms in (100, 999):
        found = formula("+".join("1" * terms))
        with suppress(BadFormula):
            assert found.value({}) == terms


numbers = st.floats(-100, 100).map(lambda x: f"{x:.3f}" if x >= 0 else f"({x:.3f})")
expressions = st.recursive(
    st.sampled_from(["a", "b", "c_1"]) | numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
    ),
    max_leaves=12,
)


@given(expressions)
def test_it_agrees_with_python(source: str):
    try:
        expected = eval(source, {"min": min, "max": max}, dict(NAMES))
    except ZeroDivisionError:
        with pytest.raises(BadFormula):
            formula(source).value(NAMES)
        return
    assert math.isclose(formula(source).value(NAMES), expected, rel_tol=1e-9, abs_tol=1e-9)
