"""Exposure, drawdown durations, scores of a class and calibration, against plain loops and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.model import Group
from assay.audit.recompute.conventions import Material, Panel
from assay.audit.recompute.figures import recompute, resolve
from assay.audit.recompute.material import with_positions
from assay.audit.recompute.measures import readings_of
from assay.commands.audit import audit
from assay.data.errors import InputError
from tests.test_audit.rules.claim_builder import claim, claim_set


def given(metric: str, material: Material, *words: str) -> float:
    """The one reading whose convention has these words; our own without any."""
    readings = [r for r in readings_of(metric, material) if all(word in r.words for word in words)]
    return min(readings, key=lambda reading: reading.departures).value


def test_drawdown_durations_agree_with_a_plain_loop() -> None:
    rng = np.random.default_rng(8)
    values, dates = rng.normal(0.0005, 0.01, 400), np.datetime64("2022-01-03") + np.sort(rng.choice(900, 400, False))
    wealth, peak, peak_at, trough, longest, deepest, of_deepest = 1.0, 1.0, 0, 1.0, 0, 0.0, (0, 0, 0)
    low_at = 0
    for at, value in enumerate([*values, None], 1):
        wealth = peak if value is None else wealth * (1 + value)
        if wealth >= peak:
            end = min(at, len(values))
            if trough < 1.0:
                longest = max(longest, end - peak_at)
                if trough - 1 < deepest:
                    deepest, of_deepest = trough - 1, (peak_at, low_at, end)
            peak, peak_at, trough = wealth, at, 1.0
        elif wealth / peak < trough:
            trough, low_at = wealth / peak, at
    material = Material({"net": values}, dates=dates)
    assert given("drawdown_duration", material, "sessions", "peak to recovery", "longest") == longest
    first, low, last = of_deepest
    assert given("drawdown_duration", material, "sessions", "peak to trough", "deepest") == low - first
    days = (dates[max(last - 1, 0)] - dates[max(first - 1, 0)]) / np.timedelta64(1, "D")
    assert given("drawdown_duration", material, "calendar days", "peak to recovery", "deepest") == days
    assert given("max_drawdown", material) == pytest.approx(deepest)


def test_a_month_of_a_table_of_returns_is_that_month_compounded() -> None:
    dates = pd.bdate_range("2023-11-01", "2024-06-28")
    series = pd.Series(np.random.default_rng(3).normal(0, 0.01, len(dates)), dates)
    march = (1 + series.loc["2024-03"]).prod() - 1
    rows = [claim("m", "total_return", f"{100 * march:.3f}%", at="2024-03")]
    material = Material({"net": series.to_numpy()}, dates=dates.to_numpy().astype("datetime64[D]"))
    [found] = recompute(claim_set([Group("run")], rows), material)
    assert found.resolution.reproduced


def panel() -> Panel:
    rng = np.random.default_rng(6)
    chance = rng.uniform(0.02, 0.98, (120, 5))
    forward = np.where(rng.uniform(size=chance.shape) < chance**1.4, 0.01, -0.01)
    return Panel(score=chance - 0.5, forward=forward, probability=chance, assets=tuple("ABCDE"))


def test_scores_of_one_class_agree_with_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    cases = panel()
    real, called = (cases.forward > 0).ravel(), (cases.probability > 0.5).ravel()
    precision, recall, f1, _ = precision_recall_fscore_support(real, called, labels=[True, False])
    rows = []
    for index, label in enumerate(("Up", "down")):
        rows += [
            claim(f"p{index}", "precision", f"{precision[index]:.4f}", label=label),
            claim(f"r{index}", "recall", f"{recall[index]:.4f}", label=label),
            claim(f"f{index}", "f1", f"{f1[index]:.4f}", label=label),
            claim(f"a{index}", "accuracy", f"{100 * recall[index]:.2f}%", label=label),
            claim(f"h{index}", "hit_rate", f"{100 * precision[index]:.2f}%", label=("long", "short")[index]),
        ]
    rows.append(claim("x", "precision", "0.5", label="sideways"))
    found = recompute(claim_set([Group("run")], rows), Material(panels={"next close": cases}))
    assert [item.claim.id for item in found] == [row.id for row in rows[:-1]]
    assert all(item.resolution.reproduced for item in found)
    assert "of down" in found[5].resolution.own.words


@pytest.mark.parametrize(("bins", "how"), [(10, "uniform"), (15, "uniform"), (10, "quantile")])
def test_the_calibration_error_agrees_with_the_curve_of_scikit_learn(bins: int, how: str) -> None:
    from sklearn.calibration import calibration_curve

    cases = panel()
    chance, real = cases.probability.ravel(), (cases.forward > 0).ravel()
    frequency, mean = calibration_curve(real, chance, n_bins=bins, strategy=how)
    edges = np.linspace(0, 1, bins + 1) if how == "uniform" else np.quantile(chance, np.linspace(0, 1, bins + 1))
    counts = np.histogram(chance, edges)[0]
    expected = float((np.abs(frequency - mean) * counts[counts > 0]).sum() / len(chance))
    words = f"{bins} bins of equal {'width' if how == 'uniform' else 'counts'}"
    material = Material(panels={"next close": cases})
    assert given("calibration_error", material, words, "of the probability of up") == pytest.approx(expected)
    assert resolve("calibration_error", parse_print(f"{expected:.6f}"), material).matches


WEIGHTS = [[0.5, -0.5, None], [0.6, -0.4, 0.1], [None, None, None], [0.2, 0.2, -0.1]]


def test_exposure_and_turnover_of_stated_weights_agree_with_plain_loops(tmp_path: Path) -> None:
    frame = pd.DataFrame(WEIGHTS, columns=list("ABC"), index=pd.bdate_range("2024-01-02", periods=4), dtype=float)
    path = tmp_path / "weights.csv"
    frame.rename_axis("date").to_csv(path)
    material = with_positions(Material(), path)
    frame.assign(Cash=0.3).rename_axis("date").to_csv(path)
    np.testing.assert_array_equal(with_positions(Material(), path).weights, material.weights)
    rows = [[weight or 0.0 for weight in row] for row in WEIGHTS]
    gross, net = [sum(map(abs, row)) for row in rows], [sum(row) for row in rows]
    assert given("leverage", material) == pytest.approx(sum(gross) / 4)
    assert given("leverage", material, "with a position", "mean") == pytest.approx(sum(gross) / 3)
    assert given("leverage", material, "largest") == pytest.approx(1.1)
    assert given("net_exposure", material, "last") == pytest.approx(net[-1])
    assert given("positions_held", material) == pytest.approx(8 / 4)
    moved = [sum(abs(a - b) for a, b in zip(row, before, strict=True)) / 2
             for row, before in zip(rows, [[0.0] * 3, *rows], strict=False)]  # fmt: skip
    assert given("turnover", material, "one-way", "a session", "all sessions") == pytest.approx(sum(moved) / 4)
    path.write_text("date,A\n2024-01-02,inf\n2024-01-03,1\n", encoding="utf-8")
    with pytest.raises(InputError):
        with_positions(Material(), path)
    path.write_text("date,asset,weight\n2024-01-02,A,0.5\n2024-01-02,B,0.5\n", encoding="utf-8")
    with pytest.raises(InputError, match="2024-01-02 stands twice"):  # a row a weight is no column an asset
        with_positions(Material(), path)


def test_the_command_recomputes_from_positions(tmp_path: Path) -> None:
    frame = pd.DataFrame(WEIGHTS, columns=list("ABC"), index=pd.bdate_range("2024-01-02", periods=4), dtype=float)
    frame.rename_axis("date").to_csv(tmp_path / "w.csv")
    report = tmp_path / "r.md"
    report.write_text("# Book\n\n- Gross exposure: 0.65\n- Net exposure: 0.03\n", encoding="utf-8")
    words = [str(report), "--positions", str(tmp_path / "w.csv"), "--all"]
    ran = CliRunner().invoke(audit, words, standalone_mode=False)
    output = " ".join(ran.output.split())
    assert "4 sessions of weights of 3 assets" in output
    assert "0.6500 (mean of sessions" in output
    assert ran.return_value == 1
