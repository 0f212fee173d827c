"""Daily series that look ahead or have another size are named from the levels that they print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.audit.claims.files import parse_claims
from assay.audit.judge import audit_claims
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import Recomputed, recompute, scaled_to_target, unscaled, with_findings
from assay.audit.recompute.material import material_of_panels, material_of_returns
from assay.audit.rules.scope import days_of
from assay.audit.verdicts import AuditReport
from assay.engine.result import BacktestResult


def unruly(seed: int = 0, n: int = 750) -> np.ndarray:
    """Returns whose volatility comes and goes, as a volatility target needs to have any effect."""
    rng = np.random.default_rng(seed)
    volatility = 0.01 * np.exp(0.6 * np.convolve(rng.normal(0, 1, n + 40), np.ones(40) / np.sqrt(40), "valid")[:n])
    return rng.normal(0.0004, 1, n) * volatility + 0.0003


def scaled_by_hand(values: np.ndarray, target: float, window: int, lag: int) -> np.ndarray:
    """The volatility target written out with pandas, without the module under test; factor 0.5 to 2."""
    deviation = pd.Series(values).rolling(window).std() * np.sqrt(252)
    factor = (target / deviation).clip(0.5, 2.0).shift(lag).fillna(1.0)
    return values * factor.to_numpy()


def prints(values: np.ndarray, digits: int = 2) -> str:
    path = np.concatenate([[1.0], np.cumprod(1 + values)])
    figures = {
        "sharpe": f"{values.mean() / values.std(ddof=1) * np.sqrt(252):.2f}",
        "annual_return": f"{100 * (path[-1] ** (252 / len(values)) - 1):.{digits}f}%",
        "annual_volatility": f"{100 * values.std(ddof=1) * np.sqrt(252):.{digits}f}%",
        "max_drawdown": f"{100 * (path / np.maximum.accumulate(path) - 1).min():.{digits}f}%",
    }
    return "".join(f'[[claim]]\nmetric = "{name}"\nprinted = "{text}"\n' for name, text in figures.items())


STATED = '[[group]]\nname = "book"\n[group.portfolio]\nvolatility_target = "8%"\nvolatility_window = 20\n'


def audited(text: str, material: Material, **more: str) -> tuple[AuditReport, list[Recomputed]]:
    claims = parse_claims(text)
    found = recompute(claims, material, **more)  # type: ignore[arg-type]
    return with_findings(audit_claims(claims), found), found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 3), st.floats(0.03, 0.3))
def test_a_volatility_target_is_unrolled(seed: int, window: int, lag: int, target: float) -> None:
    raw = unruly(seed, 200)
    scaled = scaled_to_target(raw, target, window, lag)
    np.testing.assert_allclose(scaled, scaled_by_hand(raw, target, window, lag), rtol=1e-9)
    np.testing.assert_allclose(unscaled(scaled, target, window, lag), raw, rtol=1e-6)


def test_an_honest_scaling_does_not_see_the_future_and_the_other_one_does() -> None:
    raw = unruly()
    other = raw.copy()
    other[500] *= 9
    for lag, first in ((1, 501), (2, 502), (0, 500)):
        factor, changed = (scaled_to_target(r, 0.08, 20, lag, (0.0, np.inf)) / r for r in (raw, other))
        np.testing.assert_array_equal(factor[:first], changed[:first])
        assert factor[first] != changed[first]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("given_as", ["scaled", "unscaled", "column"])
def test_a_window_that_includes_the_day_it_scales_is_named(seed: int, given_as: str) -> None:
    raw = unruly(seed)
    honest, ahead = (scaled_by_hand(raw, 0.08, 20, lag) for lag in (1, 0))
    material = {
        "scaled": Material({"as given": honest}),
        "unscaled": Material({"as given": raw}),
        "column": Material({"as given": honest}, unscaled=raw),
    }[given_as]
    report, found = audited(STATED + prints(ahead), material)
    named = [item for item in found if item.resolution.book is not None]
    assert named
    assert all("includes the day it scales" in item.resolution.book.words for item in named)
    assert all(item.resolution.together == (4, 4) for item in named)
    assert any("nobody can trade on the return of the day itself" in verdict.because for verdict in report.verdicts)
    assert report.refuted


def under(values: np.ndarray, gross: np.ndarray, rng: np.random.Generator) -> str:
    """The figures of a report with conventions of its own, the same for all of them."""
    r = gross if rng.random() < 0.5 else values
    periods, ddof, digits = int(rng.choice([250, 252, 260, 365])), int(rng.integers(2)), int(rng.integers(0, 3))
    growth = float(np.prod(1 + r) ** (periods / len(r)) - 1) if rng.random() < 0.5 else float(r.mean() * periods)
    vol, rate = float(r.std(ddof=ddof) * np.sqrt(periods)), float(rng.choice([0.0, 0.02, 0.03]))
    path = np.concatenate([[1.0], np.cumprod(1 + r)])
    fall = float((path / np.maximum.accumulate(path) - 1).min())
    if rng.random() < 0.3:
        path = np.concatenate([[0.0], np.cumsum(r)])
        fall = float((path - np.maximum.accumulate(path)).min())
    figures = {
        "sharpe": f"{(float(r.mean()) * periods - rate) / vol:.{digits + 1}f}",
        "annual_return": f"{100 * growth:.{digits}f}%",
        "annual_volatility": f"{100 * vol:.{digits}f}%",
        "max_drawdown": f"{100 * fall * rng.choice([-1, 1]):.{digits}f}%",
        "total_return": f"{100 * (float(np.prod(1 + r)) - 1):.{digits}f}%",
    }
    return "".join(f'[[claim]]\nmetric = "{name}"\nprinted = "{text}"\n' for name, text in figures.items())


@pytest.mark.parametrize("count", [25, pytest.param(1500, marks=pytest.mark.slow)])
def test_honest_reports_of_odd_conventions_are_not_said_to_look_ahead(count: int) -> None:
    for case in range(count):
        rng = np.random.default_rng([7, case])
        values = unruly(int(rng.integers(1 << 30)), int(rng.integers(120, 800)))
        gross = values + 0.0002
        material = Material({"net": values, "gross": gross})
        report, found = audited((STATED if case % 3 else "") + under(values, gross, rng), material)
        assert not report.refuted, case
        assert all(item.resolution.book is None or item.resolution.book.honest for item in found), case


def test_coarse_levels_of_a_look_ahead_window_are_still_named_most_of_the_time() -> None:
    named = 0
    for seed in range(15):
        raw = unruly(seed + 100)
        honest, ahead = (scaled_by_hand(raw, 0.08, 20, lag) for lag in (1, 0))
        _, found = audited(STATED + prints(ahead, digits=1), Material({"as given": honest}))
        words = [item.resolution.book.words for item in found if item.resolution.book is not None]
        assert all("includes the day" in text for text in words)
        named += bool(words)
    assert named >= 12


@pytest.mark.parametrize("seed", range(4))
def test_the_honest_window_is_named_and_not_refuted(seed: int) -> None:
    raw = unruly(seed)
    report, found = audited(STATED + prints(scaled_by_hand(raw, 0.08, 20, 1)), Material({"as given": raw}))
    named = {item.resolution.book.words for item in found if item.resolution.book is not None}
    assert named == {"the returns scaled to 8% over 20 sessions, factor 0.5 to 2"}
    assert not report.refuted


@pytest.mark.parametrize("size", [0.5, 1.25, 2.0, 3.0])
def test_another_size_of_the_book_is_named_with_its_factor(size: float) -> None:
    values = unruly(1)
    report, found = audited(prints(size * values), Material({"as given": values}))
    named = {item.resolution.book.words for item in found if item.resolution.book is not None}
    assert named == {f"the book at {size:g} times its size"}
    assert report.refuted
    assert str(next(v for v in report.verdicts if v.claim.metric == "sharpe").arithmetic).startswith("reproduced")


@pytest.mark.parametrize("seed", range(20))
def test_right_figures_and_random_ones_are_explained_by_nothing(seed: int) -> None:
    values = unruly(seed)
    report, found = audited(STATED + prints(values), Material({"as given": values}))
    assert not report.refuted
    assert all(item.resolution.book is None for item in found)
    report, found = audited(STATED + prints(unruly(seed + 1000)), Material({"as given": values}))
    assert all(item.resolution.book is None for item in found)


def test_a_figure_of_a_calendar_period_is_recomputed_from_its_days() -> None:
    days = pd.bdate_range("2022-01-03", "2023-12-29")
    values = pd.Series(unruly(5, len(days)), days)
    year = float(np.prod(1 + values["2022"].to_numpy()) - 1)
    month = float(np.prod(1 + values["2023-02"].to_numpy()) - 1)
    day = float(values["2023-03-07"])
    cases = (("2022", year), ("Feb 2023", month), ("2023-03-07", day), ("2023-Q4", 9.99))
    text = "".join(
        f'[[claim]]\nmetric = "total_return"\nat = "{at}"\nprinted = "{100 * value:.2f}%"\n' for at, value in cases
    )
    material = Material({"as given": values.to_numpy()}, dates=days.to_numpy().astype("datetime64[D]"))
    report, _ = audited(text, material)
    assert [str(v.arithmetic) for v in report.verdicts] == ["reproduced"] * 3 + ["not checkable"]
    assert str(report.verdicts[3].substance) == "implausible"  # the figure might be of other days
    claims = parse_claims(text)
    assert not recompute(claims, Material({"as given": values.to_numpy()}))
    part = material.between(np.datetime64("2022-06-01"), np.datetime64("2023-12-31"))
    assert "2022" not in [item.claim.at for item in recompute(claims, part)]


def test_periods_as_reports_name_them() -> None:
    for text, first, last in (
        ("2024", "2024-01-01", "2024-12-31"), ("2024 Q2", "2024-04-01", "2024-06-30"),
        ("H2 2023", "2023-07-01", "2023-12-31"), ("2023-02", "2023-02-01", "2023-02-28"),
        ("2024 February", "2024-02-01", "2024-02-29"),
    ):  # fmt: skip
        assert [str(day) for day in days_of(text) or ()] == [first, last]
    for text in ("2024-13", "2024-02-31", "2024-H3", "fold 1", "", "2022-2023", "12"):
        assert days_of(text) is None


def test_the_unscaled_column_is_read(tmp_path: Path) -> None:
    raw = unruly(2, 60)
    pd.DataFrame({"net": scaled_by_hand(raw, 0.08, 20, 1), "unscaled": raw}).to_csv(tmp_path / "r.csv", index=False)
    material = material_of_returns(tmp_path / "r.csv")
    assert list(material.series) == ["as given"]
    np.testing.assert_allclose(material.unscaled, raw)


def since_first_fill(result: BacktestResult) -> pd.Series:
    return result.returns.where(np.maximum.accumulate(result.turnover.to_numpy() > 0))


def test_a_simulated_book_knows_what_a_look_ahead_overlay_would_have_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import assay.audit.recompute.material
    from assay.data.synthetic import synthetic_market
    from assay.engine.backtest import final_weights, run_backtest
    from assay.engine.simulation import simulate
    from assay.strategies.overlays import vol_target_factor
    from assay.strategies.ranked import QuintileLongShort

    rule = QuintileLongShort(vol_target=0.08)
    monkeypatch.setattr(assay.audit.recompute.material, "load_strategy", lambda *_: rule)
    prices, predictions = synthetic_market(300, 20, ic=0.05, seed=3, volatility=0.03)
    material, assumption = material_of_panels(predictions, prices, strategy="quintile_long_short")
    plain = QuintileLongShort(vol_target=None)
    shadow = run_backtest(plain, predictions, prices)
    np.testing.assert_allclose(material.unscaled, shadow.returns.to_numpy())
    # By hand: the order of session t is scaled by the volatility through the day it is held.
    factor = vol_target_factor(since_first_fill(shadow), 0.08)
    lead = 1 if prices.open is not None else 2
    weights = final_weights(plain, predictions, prices)
    weights = weights.mul(factor.shift(-lead).ffill().reindex(weights.index), axis="index")
    ahead = simulate(prices, weights).returns.to_numpy()[: len(shadow.returns)]
    report, found = audited(prints(ahead), material, assumption=assumption)
    named = [item for item in found if item.resolution.book is not None]
    assert named
    assert all("includes the day it scales" in item.resolution.book.words for item in named)
    assert not report.refuted  # strategy and costs are assumed
    assert {str(item.finding.substance) for item in named} == {"implausible"}


@pytest.fixture(scope="module")
def switched_book() -> tuple[Material, str, dict[str, np.ndarray]]:
    """A simulated book with all overlays, and what it would have shown with some of them wrong, made by hand."""
    from assay.data.synthetic import synthetic_market
    from assay.engine.backtest import final_weights, run_backtest
    from assay.engine.simulation import simulate
    from assay.strategies.overlays import kill_switch_state
    from assay.strategies.ranked import FilterNegative

    prices, predictions = synthetic_market(600, 20, ic=0.03, seed=8, volatility=0.03)
    rule = FilterNegative()
    plain = FilterNegative(vol_target=None, kill_switches=False)
    scaled = FilterNegative(kill_switches=False)
    lead = 1 if prices.open is not None else 2

    def trade(weights: pd.DataFrame) -> pd.Series:
        return simulate(prices, weights).returns

    def net(strategy: FilterNegative) -> pd.Series:
        return run_backtest(strategy, predictions, prices).returns

    weights = final_weights(scaled, predictions, prices)
    off = kill_switch_state(since_first_fill(run_backtest(scaled, predictions, prices))).any(axis=1)
    early = off.shift(-lead, fill_value=False).reindex(weights.index).to_numpy()
    killed = trade(weights.mul(1.0 - early, axis="index"))
    import assay.audit.recompute.material

    kept = assay.audit.recompute.material.load_strategy
    assay.audit.recompute.material.load_strategy = lambda *_: rule
    try:
        material, assumption = material_of_panels(predictions, prices, strategy="s2_filter_negative")
    finally:
        assay.audit.recompute.material.load_strategy = kept
    size = len(material.series["net"])
    books = {
        "kill switches that leave out the day that trips them": killed,
        "the book without its kill switches": net(scaled),
        "the book before its overlays": net(plain),
    }
    return material, assumption, {name: book.to_numpy()[:size] for name, book in books.items()}


@pytest.mark.parametrize(
    ("name", "substance"),
    [
        ("kill switches that leave out the day that trips them", "implausible"),
        ("the book without its kill switches", "not judged"),
        ("the book before its overlays", "not judged"),
    ],
)
def test_the_stage_or_the_fault_of_a_simulated_book_is_named(
    switched_book: tuple[Material, str, dict[str, np.ndarray]], name: str, substance: str
) -> None:
    material, assumption, books = switched_book
    report, found = audited(prints(books[name], digits=3), material, assumption=assumption)
    named = [item for item in found if item.resolution.book is not None]
    assert {item.resolution.book.words for item in named} == {name}
    verdicts = {v.claim.id: v for v in report.verdicts}
    assert {str(verdicts[item.claim.id].substance) for item in named} == {substance}
