"""The coverage study draws what it says, counts what the product prints, and marks what lies outside."""

from __future__ import annotations

import numpy as np
import pytest

from assay.results.stats.sharpe import autocorrelations
from studies.interval_coverage import FIGURES, Cell, _noise, draw, jobs, measure, page


@pytest.mark.parametrize(
    ("name", "rho"),
    [
        ("independent", 0.0),
        ("t 5", 0.0),
        ("GARCH", 0.0),
        ("AR 0.3", 0.3),
        ("AR -0.3", -0.3),
        ("AR 0.3 t 5", 0.3),
        ("AR 0.8", 0.8),
        ("overlap 5", 0.8),
        ("overlap 20", 0.95),
    ],
)
def test_noise_has_mean_0_variance_1_and_the_autocorrelation_of_its_name(name, rho):
    drawn = _noise(name, 200, 2000, np.random.default_rng(0))
    assert drawn.shape == (200, 2000)
    assert drawn.mean() == pytest.approx(0.0, abs=0.02)
    assert drawn.var() == pytest.approx(1.0, abs=0.05)
    found = np.mean([autocorrelations(row, 1)[0] for row in drawn])
    assert found == pytest.approx(rho, abs=0.02)


def test_tails_and_clusters_are_there():
    rng = np.random.default_rng(1)
    heavy, clustered = _noise("t 5", 50, 4000, rng), _noise("GARCH", 50, 4000, rng)
    assert (heavy**4).mean() > 5
    assert np.mean([autocorrelations(row**2, 1)[0] for row in clustered]) > 0.1
    with pytest.raises(ValueError, match="unknown"):
        _noise("unknown", 1, 10, rng)


@pytest.mark.parametrize("figure", [name for name in FIGURES if "bootstrap" not in name and "rank IC" not in name])
def test_the_printed_intervals_hold_about_as_often_as_they_say(figure):
    cell = measure((figure, "AR 0.3", 250, 300, 1))
    assert 0.88 <= cell.share <= 0.985
    assert cell == measure((figure, "AR 0.3", 250, 300, 1))


def test_the_rest_of_the_figures_are_counted_as_well():
    assert measure(("net Sharpe, bootstrap percentiles", "t 4", 250, 40, 0)).share > 0.8
    assert measure(("net Sharpe, studentised bootstrap", "t 4", 250, 40, 0)).share > 0.8
    assert measure(("mean rank IC of 30 persistent scores, HAC", "horizon 5", 250, 30, 0)).share > 0.8


def test_a_known_horizon_is_what_makes_overlap_bearable():
    names = ("HAC", "the usual short window")
    ours, usual = (measure((f"mean IC, {name}", "overlap 20", 1000, 200, 0)) for name in names)
    assert ours.share > usual.share + 0.02


def test_every_figure_asked_for_is_in_the_study():
    work = jobs(2000)
    assert len(work) == len(set(work))
    for name in ("net Sharpe, HAC", "alpha, HAC"):
        kinds = {(noise, n) for figure, noise, n, _, _ in work if figure == name}
        assert {"independent", "AR 0.1", "AR 0.3", "AR -0.1", "AR -0.3", "t 4", "t 5", "GARCH"} <= {k for k, _ in kinds}
        assert {250, 1000, 3000} <= {n for _, n in kinds}


def test_the_page_names_what_lies_outside_and_the_figure_is_drawn(tmp_path):
    inside, outside = Cell("net Sharpe, HAC", "t 4", 250, 950, 1000), Cell("net Sharpe, HAC", "t 4", 1000, 901, 1000)
    compared = Cell("mean IC, the usual short window", "AR 0.8", 250, 700, 1000)
    text = page([inside, outside, compared], "about")
    assert "1 of 2 shares lie within 93–97%" in text
    assert "- net Sharpe, HAC, t 4, n = 1,000: 90.1%" in text
    assert "| t 4 | 95.0 [93.5, 96.2] | **90.1** [88.1, 91.8] |" in text
    assert "| AR 0.8 | 70.0 [67.1, 72.8] |" in text
    assert "None lies outside." in page([inside, compared], "about")
    draw([inside, outside, compared], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
