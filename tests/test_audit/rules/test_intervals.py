"""Printed figures read as intervals, and interval arithmetic that never narrows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.intervals import Interval, parse_print
from assay.data.errors import InputError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("57.14%", 0.57135, 0.57145),
        ("0.5365", 0.53645, 0.53655),
        ("−95%", -0.955, -0.945),
        ("-0.15", -0.155, -0.145),
        ("8,802.48", 8802.475, 8802.485),
        ("175,560.08", 175560.075, 175560.085),
        ("35×", 34.5, 35.5),
        ("2.74x", 2.735, 2.745),
        ("+700%", 6.995, 7.005),
        ("~250,000", 237500.0, 262500.0),
        ("~10,000", 5000.0, 15000.0),
        ("~500K", 450e3, 550e3),
        ("$1.2M", 1.15e6, 1.25e6),
        ("0.40-0.70", 0.395, 0.705),
        ("50-60%", 0.495, 0.605),
        ("[13.03, 18.92]", 13.025, 18.925),
        ("~500KB - 2MB", 450e3, 3e6),
        ("1e-4", 0.5e-4, 1.5e-4),
        ("5 bps", 4.5e-4, 5.5e-4),
        ("91,3%", 0.9125, 0.9135),
        ("0,411", 0.4105, 0.4115),
        ("1.234,56", 1234.555, 1234.565),
        ("1.234.567", 1234566.5, 1234567.5),
        ("12 %", 0.115, 0.125),
    ],
)
def test_print_stands_for_every_value_that_rounds_to_it(text: str, low: float, high: float) -> None:
    interval = parse_print(text).interval
    assert interval.low == pytest.approx(low, rel=1e-12)
    assert interval.high == pytest.approx(high, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "bound"), [("> 0.6", ">"), (">60%", ">"), ("< 10ms", "<"), ("1000+", ">="), ("≤ 5", "<=")]
)
def test_bounds_are_half_lines(text: str, bound: str) -> None:
    printed = parse_print(text)
    assert printed.bound == bound
    assert not printed.is_point
    assert math.isinf(printed.interval.high if ">" in bound else printed.interval.low)


def test_full_precision_print_allows_an_epsilon_but_a_rounded_one_does_not() -> None:
    assert parse_print("1.3203451").interval.holds(1.3203451 * (1 + 0.9e-5))
    assert not parse_print("1.3203").interval.holds(1.32036)
    # Two decimals of a large figure are a rounding, not full precision.
    assert not parse_print("175,560.08").interval.holds(175561.0)


def test_cut_digits_and_those_rounded_twice_are_the_second_reading() -> None:
    assert parse_print("60×").either == Interval(59.45, 61.0)
    assert parse_print("56.08%").either.holds(60 / 107)  # 56.0748 by way of 56.075
    assert parse_print("-1.16").either.low == pytest.approx(-1.17)
    either = parse_print("0.57").either
    assert (either.low, either.high) == (pytest.approx(0.5645), pytest.approx(0.58))


@pytest.mark.parametrize("text", ["", "n/a", "—", "Sharpe", "abc 5", "0.7-0.4"])
def test_text_without_a_figure_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(InputError, match="printed figure"):
        parse_print(text)


def test_unit_of_the_column_scales_a_bare_figure_but_not_a_multiple() -> None:
    assert parse_print("58.71", unit="percent").value == pytest.approx(0.5871)
    assert parse_print("58.71%", unit="percent").value == pytest.approx(0.5871)
    assert parse_print("35×", unit="percent").value == 35.0


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: abs(x) > 1e-6),
    digits=st.integers(0, 4),
    percent=st.booleans(),
)
def test_the_value_behind_a_rounded_print_is_always_inside(value: float, digits: int, percent: bool) -> None:
    text = f"{100 * value:.{digits}f}%" if percent else f"{value:,.{digits}f}"
    assert parse_print(text).interval.holds(value)


bounded = st.floats(-1e3, 1e3, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(a=bounded, b=bounded, c=bounded, d=bounded, s=st.floats(0, 1), t=st.floats(0, 1))
def test_arithmetic_contains_every_pointwise_result(a: float, b: float, c: float, d: float, s: float, t: float) -> None:
    x, y = Interval(min(a, b), max(a, b)), Interval(min(c, d), max(c, d))
    p, q = min(x.low + s * x.width, x.high), min(y.low + t * y.width, y.high)
    assert (x + y).holds(p + q, 1e-6)
    assert (x - y).holds(p - q, 1e-6)
    assert (x * y).holds(p * q, 1e-6)
    assert abs(x).holds(abs(p), 1e-6)
    if q != 0:
        assert (x / y).holds(p / q, 1e-6)


def test_division_by_an_interval_around_zero_says_anything() -> None:
    assert Interval(1.0, 2.0) / Interval(-1.0, 1.0) == Interval(-math.inf, math.inf)


def test_meeting_is_closed_and_disjoint_is_disjoint() -> None:
    assert Interval(0.0, 1.0).meets(Interval(1.0, 2.0))
    assert Interval(0.0, 1.0).clip(1.1, 2.0) is None
    with pytest.raises(ArithmeticError, match="reversed"):
        Interval(2.0, 1.0)


@pytest.mark.parametrize("text", ["5 MİL", "5 bpſ", "5 Kıb"])
def test_letters_that_match_others_only_without_case_are_none_of_a_scale(text: str) -> None:
    assert parse_print(text).value == 5.0


@pytest.mark.parametrize("text", ["CİRCA 5", "leſs than 5"])
def test_letters_that_match_others_only_without_case_are_none_of_a_lead(text: str) -> None:
    with pytest.raises(InputError, match="no number at its start"):
        parse_print(text)


def test_case_does_not_matter() -> None:
    for text in ("LESS THAN 5 MIL", "Circa R$ 1.2M", "US$1E6", "5 BPS", "0.3 To 0.5", "12K"):
        upper, lower = parse_print(text), parse_print(text.lower())
        assert (upper.interval, upper.bound, upper.about) == (lower.interval, lower.bound, lower.about)
        assert upper.text == text
