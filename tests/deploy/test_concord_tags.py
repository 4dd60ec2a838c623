"""Numbers on pages: with interval and n, or with the reason why there is none."""

import pytest
from django.template import Context, Template

from deploy.templatetags.concord import figure, share

KNOWN = {"value": 0.853, "low": 0.82, "high": 0.881, "n": 1999}


def drawn(source: str, **context) -> str:
    return Template("{% load concord %}" + source).render(Context(context))


def test_a_statistic_has_its_interval_and_n():
    html = drawn("{% statistic s %}", s=KNOWN)
    for part in ("0.85", "0.82 to 0.88", "1\u202f999"):
        assert part in html


def test_a_statistic_in_percent():
    assert "85 %" in drawn("{% statistic s percent=True %}", s=KNOWN)


@pytest.mark.parametrize("tag", ["statistic s", "interval_bar s", "stat_tile 'kappa' s"])
def test_an_undefined_statistic_gives_its_reason(tag):
    html = drawn("{% " + tag + " %}", s={"value": None, "reason": "no variation"})
    assert "no variation" in html


@pytest.mark.parametrize("tag", ["statistic s", "interval_bar s"])
def test_a_statistic_that_was_never_computed_says_so(tag):
    assert "not computed yet" in drawn("{% " + tag + " %}", s=None)


def test_a_statistic_without_an_interval_claims_none():
    html = drawn("{% statistic s %}{% interval_bar s %}", s={"value": 0.5, "n": 3})
    assert " to " not in html
    assert "interval-range" not in html


def test_the_bar_places_dot_whiskers_and_mark_on_its_axis():
    html = drawn("{% interval_bar s start=-1 end=1 mark=0 %}", s={"value": 0.5, "low": -3, "high": 1, "n": 9})
    assert 'cx="75.0%"' in html
    assert 'x1="0.0%" x2="100.0%"' in html
    assert 'x1="50.0%"' in html
    assert "style=" not in html


def test_a_share_bar_has_a_part_for_each_name_and_none_for_nothing():
    html = drawn("{% share_bar s %}", s={"used": 3, "routed": 1, "dropped": 0})
    assert 'class="is-routed" x="75.0%" width="25.0%"' in html
    assert drawn("{% share_bar s %}", s={"used": 0}).strip() == ""


def test_figures():
    assert figure(1234567) == "1\u202f234\u202f567"
    assert figure(-0.5) == "\u22120.50"
    assert figure(None) is None


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(0, 0, 0), (0, 5, 0), (5, 5, 100), (999, 1000, 99), (1, 3, 33)]
)
def test_a_share_is_not_complete_before_it_is(part, whole, percent):
    assert share(part, whole) == percent
