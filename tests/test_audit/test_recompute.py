"""The recompute layer: the engine's own figure beside the printed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.audit.claims.files import parse_claims
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.recompute.conventions import _NEVER, GRID, Material
from assay.audit.recompute.figures import recompute, with_findings
from assay.audit.recompute.material import material_of_returns, with_positions
from assay.audit.recompute.measures import STATISTICS
from assay.data.errors import InputError


def returns(n: int = 188) -> np.ndarray:
    return np.random.default_rng(11).normal(0.0006, 0.01, n)


def figures(values: np.ndarray) -> dict[str, float]:
    """The usual figures, written out."""
    growth = np.prod(1 + values)
    path = np.concatenate([[1.0], np.cumprod(1 + values)])
    return {
        "sharpe": values.mean() / values.std(ddof=1) * np.sqrt(252),
        "annual_return": growth ** (252 / len(values)) - 1,
        "annual_volatility": values.std(ddof=1) * np.sqrt(252),
        "total_return": growth - 1,
        "max_drawdown": (path / np.maximum.accumulate(path) - 1).min(),
    }


def claims_of(prints: dict[str, str], extra: str = "") -> str:
    return extra + "".join(f'[[claim]]\nmetric = "{name}"\nprinted = "{text}"\n' for name, text in prints.items())


def verdicts(text: str, values: np.ndarray, run: str | None = None) -> dict[str, str]:
    claims = parse_claims(text)
    found = recompute(claims, Material({"as given": values}), run=run)
    return {v.claim.metric: str(v.arithmetic) for v in with_findings(audit_claims(claims), found).verdicts}


def test_right_figures_are_reproduced() -> None:
    prints = {name: f"{value:.4f}" for name, value in figures(returns()).items()}
    assert set(verdicts(claims_of(prints), returns()).values()) == {"reproduced"}
    percent = {
        name: f"{100 * value:.2f}%" if name != "sharpe" else f"{value:.2f}"
        for name, value in figures(returns()).items()
    }
    assert set(verdicts(claims_of(percent), returns()).values()) == {"reproduced"}


def test_another_convention_is_named_and_a_wrong_figure_refuted() -> None:
    values = returns()
    zero = values.mean() / values.std(ddof=0) * np.sqrt(252)
    text = claims_of({"sharpe": f"{zero:.5f}", "total_return": "99.9%"})
    assert verdicts(text, values) == {"sharpe": "reproduced under another convention", "total_return": "inconsistent"}


def test_percent_without_its_sign_and_cut_off_digits_are_tried_before_accusing() -> None:
    values = figures(returns())
    cut = np.floor(values["annual_volatility"] * 1e4) / 1e4
    text = claims_of({"annual_return": f"{100 * values['annual_return']:.3f}", "annual_volatility": f"{cut:.4f}"})
    assert set(verdicts(text, returns()).values()) <= {"reproduced", "reproduced under another convention"}


def test_leverage_is_seen_in_levels_although_the_sharpe_holds() -> None:
    values, book = returns(), figures(1.5 * returns())
    text = claims_of(
        {
            "sharpe": f"{book['sharpe']:.3f}",
            "annual_volatility": f"{100 * book['annual_volatility']:.2f}%",
            "annual_return": f"{100 * book['annual_return']:.2f}%",
        }
    )
    claims = parse_claims(text)
    report = with_findings(audit_claims(claims), recompute(claims, Material({"as given": values})))
    by_metric = {verdict.claim.metric: verdict for verdict in report.verdicts}
    assert str(by_metric["sharpe"].arithmetic) == "reproduced"
    assert str(by_metric["annual_volatility"].arithmetic) == "inconsistent"
    assert "1.5 times" in by_metric["annual_volatility"].because


@pytest.mark.parametrize(("rule", "year"), [("ME", 12), ("W-FRI", 52), ("QE", 4)])
def test_returns_that_are_not_daily_are_annualised_by_their_own_calendar(tmp_path: Path, rule: str, year: int) -> None:
    days = pd.date_range("2010-01-31", periods=60, freq=rule)
    values = np.random.default_rng(year).normal(0.01, 0.03, 60)
    pd.DataFrame({"net": values}, index=days).rename_axis("date").to_csv(tmp_path / "r.csv")
    grown = float(np.prod(1 + values))
    prints = {
        "sharpe": f"{values.mean() / values.std(ddof=1) * np.sqrt(year):.4f}",
        "annual_volatility": f"{100 * values.std(ddof=1) * np.sqrt(year):.3f}%",
        "annual_return": f"{100 * (grown ** (year / 60) - 1):.3f}%",
        "sortino": f"{values.mean() * year / np.sqrt((np.minimum(values, 0) ** 2).mean() * year):.4f}",
    }
    material = material_of_returns(tmp_path / "r.csv")
    assert material.per_year == year
    claims = parse_claims(claims_of(prints))
    report = with_findings(audit_claims(claims), recompute(claims, material))
    assert {str(verdict.arithmetic) for verdict in report.verdicts} == {"reproduced"}
    undated = parse_claims(claims_of(prints, f'[[group]]\nname = "g"\n[group.portfolio]\nperiods_per_year = {year}\n'))
    report = with_findings(audit_claims(undated), recompute(undated, Material({"as given": values})))
    assert {str(verdict.arithmetic) for verdict in report.verdicts} == {"reproduced"}


def test_the_run_must_be_clear() -> None:
    text = '[[group]]\nname = "a"\n[[group]]\nname = "b"\n' + "".join(
        f'[[claim]]\nmetric = "sharpe"\nprinted = "1.{i}"\ngroup = "{name}"\nsplit = "test"\n'
        for i, name in enumerate("ab")
    )
    claims = parse_claims(text)
    with pytest.raises(InputError, match="name one with --run: a, b"):
        recompute(claims, Material({"as given": returns()}))
    with pytest.raises(InputError, match="names no run"):
        recompute(claims, Material({"as given": returns()}), run="c")
    assert [item.claim.group for item in recompute(claims, Material({"as given": returns()}), run="b/test")] == ["b"]
    with pytest.raises(InputError, match="no claim can be recomputed"):
        recompute(parse_claims('[[claim]]\nmetric = "kappa"\nprinted = "0.1"\n'), Material({"as given": returns()}))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_series_are_read_with_and_without_dates(tmp_path: Path) -> None:
    values = returns(30)
    days = pd.bdate_range("2024-01-02", periods=30)
    frame = pd.DataFrame({"net": values, "gross": values + 1e-4, "benchmark": values / 2}, index=days)
    frame.to_parquet(tmp_path / "r.parquet")
    frame.rename_axis("date").to_csv(tmp_path / "r.csv")
    write(tmp_path / "r.txt", "\n".join(map(repr, map(float, values))))
    german = frame.reset_index(names="Datum")
    german.to_csv(tmp_path / "r_de.csv", index=False, sep=";", decimal=",", date_format="%d.%m.%Y")
    frame.reset_index(names="date").to_feather(tmp_path / "r.feather")
    frame.rename_axis("date").to_csv(tmp_path / "r.csv.gz")
    dated = ("r.parquet", "r.csv", "r_de.csv", "r.feather", "r.csv.gz")
    for name in (*dated, "r.txt"):
        material = material_of_returns(tmp_path / name)
        np.testing.assert_allclose(next(iter(material.series.values())), values)
        assert [str(day) for day in material.dates[:1]] == ["2024-01-02"] * (name in dated)
    material = material_of_returns(tmp_path / "r.csv")
    assert list(material.series) == ["net", "gross"]
    assert material.benchmark is not None
    assert str(material.dates[0]) == "2024-01-02"


DAYS = "".join(f"2024-01-0{day},0.0{day}\n" for day in range(1, 8))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "date,net\n", "no rows"),
        ("a.csv", "1\n2\nx\n4\n5\n6", "row 3"),
        ("a.csv", "0.1\n0.2", "2 returns; at least 5"),
        ("a.csv", "net\n" + "0.1\n" * 5 + "-1.5", "below -100%"),
        ("a.csv", "a,b\n" + "0.1,0.2\n" * 6, "name the returns 'net'"),
        ("a.csv", "net,gross\n0.1,0.2\n0.1", "line 3 has 1 cells"),
        ("a.csv", "net\n0.1\nnan\n0.1\n0.2\n0.3\n0.1", "row 2 is missing"),
        ("a.parquet", "PAR1", "damaged Parquet"),
        ("a.csv", "date,net\n" + "01/02/2024,0.1\n" * 6, "--date-format"),
        ("a.csv", "date,net\n" + DAYS + "2024-01-03,0.02\n", "2024-01-03 stands twice"),
        ("a.csv", "date,asset,net\n" + "".join(f"2024-01-0{d},{a},0.1\n" for a in "XYZ" for d in range(1, 6)), "twice"),
        ("a.csv", "date,net\n" + DAYS + ",0.02\n", "row 8 has no date"),
        ("a.csv", "date,net\n" + DAYS + "2024-01-08,\n", "the value of 2024-01-08 is missing"),
        ("a.csv", "date,net,benchmark\n" + DAYS.replace("\n", ",-1.5\n"), "column 'benchmark': the value"),
        ("a.csv", "date,net,index\n" + DAYS.replace("\n", ",4800.5\n"), "column 'benchmark': half of the returns"),
        ("a.csv", "date,nav\n" + DAYS.replace(",", ",10"), "not percent or prices"),
        ("a.csv", "date,asset,net\n" + "".join(f"2024-01-0{d},{a},0.1\n" for d in range(1, 6) for a in "XYZ"), "twice"),
        ("a.csv", "date,net\n" + "".join(f"2024-01-0{d} {h}:00,0.1\n" for d in (3, 2) for h in (10, 11, 12)), "sort"),
    ],
)
def test_bad_series_are_refused_in_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        material_of_returns(write(tmp_path / name, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_predictions_and_prices_give_signal_and_portfolio_figures() -> None:
    from assay.audit.recompute.material import material_of_panels
    from assay.data.returns import forward_returns
    from assay.data.synthetic import synthetic_market
    from assay.results.stats.information_coefficient import ic_table

    prices, predictions = synthetic_market(150, 20, ic=0.1, seed=4)
    material, assumption = material_of_panels(predictions, prices, strategy="quintile_long_short")
    forward = forward_returns(prices, horizon=predictions.horizon, delay=predictions.delay, fill="open")
    assert predictions.score is not None
    ic = ic_table(predictions.score, forward.reindex_like(predictions.score))["rank_ic"].mean()
    text = claims_of({"rank_ic": f"{ic:.6f}", "sharpe": "99.0", "turnover": f"{material.turnover.mean():.6f}"})
    claims = parse_claims(text)
    found = recompute(claims, material, assumption=assumption)
    report = with_findings(audit_claims(claims), found)
    by_metric = {verdict.claim.metric: verdict for verdict in report.verdicts}
    assert str(by_metric["rank_ic"].arithmetic) == "reproduced"
    assert str(by_metric["turnover"].arithmetic) == "reproduced"
    assert str(by_metric["sharpe"].arithmetic) != "inconsistent"
    assert str(by_metric["sharpe"].substance) == "implausible"
    assert "same close" in " ".join(material.series)
    assert "next open" in assumption


def test_scores_of_three_classes_are_not_taken_for_up_against_down() -> None:
    classes = "".join(f'[[group.class]]\nname = "{name}"\n' for name in ("Buy", "Sell", "Hold"))
    text = '[[group]]\nname = "m"\n' + classes + claims_of({"accuracy": "91.3%", "sharpe": "1.0"})
    found = recompute(parse_claims(text), Material({"as given": returns()}))
    assert [item.claim.metric for item in found] == ["sharpe"]


def test_a_win_rate_of_trades_is_not_refuted_by_sessions() -> None:
    returns = np.random.default_rng(5).normal(0.0005, 0.01, 300)
    shown = f"{100 * (returns > 0).mean():.2f}%"
    for lines, told in (("- Win rate: 33.33%", True), ("- Trades: 18\n- Win rate: 33.33%", False)):
        claims = draft_claims(f"# R\n\n{lines}\n- Annual volatility: 15.0%\n").claims
        found = recompute(claims, Material({"net": returns}))
        assert any(item.claim.metric == "win_rate" for item in found) == told, lines
    claims = draft_claims(f"# R\n\n- Trades: 18\n- Win rate: {shown}\n").claims
    assert [item.resolution.reproduced for item in recompute(claims, Material({"net": returns}))] == [True]


def test_a_benchmark_with_gaps_is_said_not_to_be_used(tmp_path: Path) -> None:
    rows = [f"2020-01-0{day},0.0{day},{'' if day == 4 else 0.001}" for day in range(1, 9)]
    (tmp_path / "returns.csv").write_text("\n".join(["date,net,benchmark", *rows]), encoding="utf-8")
    material = material_of_returns(tmp_path / "returns.csv")
    assert not len(material.benchmark)
    assert "column 'benchmark' has gaps and is not used" in material.description
    pd.DataFrame({"index": np.arange(6), "return": np.full(6, 0.01)}).to_csv(tmp_path / "reset.csv", index=False)
    material = material_of_returns(tmp_path / "reset.csv")
    assert len(material.given) == 6
    assert "column 'benchmark' counts rows and is not used" in material.description


def test_rows_are_taken_by_their_dates_and_returns_begin_where_they_do(tmp_path: Path) -> None:
    turned = "date,net\n" + "\n".join(DAYS.split()[::-1])
    material = material_of_returns(write(tmp_path / "newest_first.csv", turned))
    np.testing.assert_allclose(material.given, np.arange(1, 8) / 100)
    assert [str(day) for day in material.dates[[0, -1]]] == ["2024-01-01", "2024-01-07"]
    bars = [f"2024-01-0{day} 1{hour}:00,0.0{day}{hour}" for day in (1, 2, 3) for hour in range(2)][:-1]  # half a day
    for name, rows in (("bars.csv", bars), ("newest_bar_first.csv", bars[::-1])):
        path = write(tmp_path / name, "\n".join(["date,net", *rows]))
        np.testing.assert_allclose(material_of_returns(path).given, [0.010, 0.011, 0.020, 0.021, 0.030])
        assert with_positions(Material(), path).weights.shape == (5, 1)
    longer = "date,net,benchmark\n2023-12-29,,0.001\n" + DAYS.replace("\n", ",0.002\n")
    material = material_of_returns(write(tmp_path / "benchmark_first.csv", longer))
    assert len(material.given) == len(material.benchmark) == 7
    assert "1 row before the first return left out" in material.description


def test_yearly_returns_are_no_prices_and_trades_need_no_dates(tmp_path: Path) -> None:
    values = [0.8, -0.6, 1.2, 0.7, 0.9, -0.55, 0.6, 2.0]
    rows = [f"{2016 + at}-12-31,{value}" for at, value in enumerate(values)]
    material = material_of_returns(write(tmp_path / "years.csv", "\n".join(["date,net", *rows])))
    assert (list(material.given), material.per_year) == (values, 1)
    trades = "\n".join(["date,return", *rows[:-1], ",2.0"])
    material = material_of_returns(write(tmp_path / "trades.csv", trades), kind="trades")
    assert (list(material.trades), len(material.dates)) == (values, 0)


def test_a_loss_of_all_the_capital_has_no_running_one(tmp_path: Path) -> None:
    path = write(tmp_path / "pnl.csv", "pnl\n-100\n50\n20\n10\n30\n")
    assert list(material_of_returns(path, kind="pnl", capital=100.0).series) == ["P&L over the starting capital"]


def test_the_rate_that_a_report_states_is_tried(tmp_path: Path) -> None:
    values = returns(400)
    shown = f"{(values.mean() * 252 - 0.0235) / (values.std(ddof=1) * np.sqrt(252)):.5f}"
    stated = '[[group]]\nname = "g"\n[group.portfolio]\nrisk_free = "2.35%"\n'
    for text, matched in ((claims_of({"sharpe": shown}, stated), True), (claims_of({"sharpe": shown}), False)):
        [found] = recompute(parse_claims(text), Material({"as given": values}))
        assert bool(found.resolution.matches) == matched


def test_months_that_are_stated_do_not_annualise_days() -> None:
    values, days = returns(500), pd.bdate_range("2021-01-04", periods=500).to_numpy().astype("datetime64[D]")
    months = pd.Series(values, days).add(1).resample("ME").prod() - 1
    stated = '[[group]]\nname = "g"\n[group.portfolio]\nperiods_per_year = 12\n'
    text = claims_of({"sharpe": f"{months.mean() / months.std() * np.sqrt(12):.4f}"}, stated)
    [found] = recompute(parse_claims(text), Material({"as given": values}, dates=days))
    assert "monthly √12" in found.resolution.named.words
    assert "252" in found.resolution.own.words
    [found] = recompute(parse_claims(text), Material({"as given": months.to_numpy()}))
    assert found.resolution.reproduced


@pytest.mark.parametrize(("count", "own"), [(244, True), (12, False)])
def test_a_stated_year_is_tried_whatever_the_dates_say(count: int, own: bool) -> None:
    """Two years of days with five between them come to 70 a year: 244 may be right, 12 is an error that is named."""
    days = pd.bdate_range("2016-01-04", "2016-12-30").append(pd.bdate_range("2022-01-03", "2022-12-30"))
    values, dates = returns(len(days)), days.to_numpy().astype("datetime64[D]")
    stated = f'[[group]]\nname = "g"\n[group.portfolio]\nperiods_per_year = {count}\n'
    text = claims_of({"annual_volatility": f"{values.std(ddof=1) * np.sqrt(count):.5f}"}, stated)
    [found] = recompute(parse_claims(text), Material({"as given": values}, dates=dates))
    assert found.resolution.reproduced is own
    assert dict(found.resolution.named.choices)["periods"] == str(count)


def test_each_name_of_the_declared_conventions_is_used() -> None:
    """A table of the grid has its statistic; a pair that means nothing is of choices or dimensions that there are."""
    still = Material({"net": np.zeros(3)}, turnover=np.zeros(3))
    statistics = [each for of in STATISTICS.values() for each in of]
    assert {id(table) for table in GRID.values()} == {id(each.dimensions) for each in statistics}
    named = {name for each in statistics for name in each.dimensions}
    for each in statistics:
        for one in {one for listed in each.dimensions.values() for one in listed}:
            named |= set(each.sources[one[1:]](still)) if one[:1] == "@" else {one}
    assert set().union(*_NEVER) <= named
