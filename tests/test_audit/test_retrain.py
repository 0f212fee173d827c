"""The retrain layer: where a printed figure lies among seeds and folds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.audit.claims.files import parse_claims
from assay.audit.claims.intervals import Interval
from assay.audit.recompute.conventions import Material, Panel
from assay.audit.recompute.retrain import Distribution, _own, retrain
from assay.commands import main as cli
from assay.data.synthetic import synthetic_market


@pytest.fixture(scope="module")
def price_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prices, _ = synthetic_market(700, 12, ic=0.2, seed=1)
    frames = {name: getattr(prices, name) for name in ("open", "high", "low", "close", "volume")}
    table = pd.concat({name: frame.stack() for name, frame in frames.items()}, axis=1).reset_index()
    table.columns = ["date", "asset", *frames]
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    table.to_csv(path, index=False)
    return path


CLAIMS = """
[[group]]
name = "m"
[[claim]]
metric = "rank_ic"
printed = "0.95"
group = "m"
[[claim]]
metric = "rank_ic"
printed = "{ic}"
group = "m"
[[claim]]
metric = "sharpe"
printed = "99.0"
group = "m"
"""


def test_an_impossible_figure_lies_above_all_and_the_right_one_within(price_file: Path) -> None:
    rows, _ = retrain(parse_claims(CLAIMS.format(ic="0.5")), "ridge", prices=price_file, run=None, seeds=1, epochs=None)
    own = rows[0]["seed_median"]
    text = CLAIMS.format(ic=f"{own:.3f}")
    rows, findings = retrain(parse_claims(text), "ridge", prices=price_file, run="m", seeds=1, epochs=None)
    assert [row["printed_lies"] for row in rows] == ["above all", "within the seeds", "above all"]
    assert rows[0]["folds"] >= 2
    assert findings[0].substance is not None
    assert "walk-forward" in findings[0].assumption
    assert findings[1].substance is None
    assert "within the seeds" in findings[1].sentence


def test_the_command_shows_the_distribution(
    price_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = tmp_path / "c.toml"
    claims.write_text('[[claim]]\nmetric = "rank_ic"\nprinted = "0.95"\n', encoding="utf-8")
    code = cli.main(["audit", str(claims), "--model", "ridge", "--prices", str(price_file), "--seeds", "1", "--json"])
    out = json.loads(capsys.readouterr().out)
    assert code == 0
    assert out["retrained"][0]["printed_lies"] == "above all"
    assert out["claims"][0]["substance"] == "implausible"


def test_places() -> None:
    claim = parse_claims(CLAIMS.format(ic="0.5")).claims[0]
    places = {
        (0.15, 0.16): "within the seeds", (0.35, 0.36): "outside the seeds, within the folds",
        (0.5, 0.6): "above all", (-0.6, -0.5): "below all",
    }  # fmt: skip
    for ends, place in places.items():
        assert Distribution(claim, Interval(*ends), (0.1, 0.2), (-0.3, 0.4)).place == place
    alone = Distribution(claim, Interval(0.5, 0.6), (0.1,))
    assert alone.place == "above all"
    assert alone.row["fold_low"] == ""
    assert list(alone.row)[-4:] == ["fold_low", "fold_median", "fold_high", "printed_lies"]


def test_a_score_of_one_class_is_that_of_the_class() -> None:
    chance, forward = np.array([[0.9, 0.8, 0.4, 0.3]] * 3), np.array([[0.1, -0.1, -0.1, -0.1]] * 3)
    material = Material(panels={"next close": Panel(chance - 0.5, forward, probability=chance)})
    text = "".join(f'[[claim]]\nmetric = "recall"\nprinted = "0.5"\nlabel = "{label}"\n' for label in ("up", "down"))
    up, down = parse_claims(text).claims
    assert [*_own(up, [material], False)] == [1.0]
    assert [*_own(down, [material], False)] == [pytest.approx(2 / 3)]
