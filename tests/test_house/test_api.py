"""What `import assay` gives: every name, lazily, with a short report of each value."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import assay

ROOT = Path(__file__).parents[2]


def test_every_name_is_there_and_has_a_docstring():
    assert len(set(assay.__all__)) == len(assay.__all__)
    for name in assay.__all__:
        assert getattr(assay, name).__doc__, name
        assert name in dir(assay)


def test_the_list_the_table_and_what_type_checkers_read_agree():
    tree = ast.parse((ROOT / "assay" / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    typed = {
        (node.module.removeprefix("assay."), alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert typed == {(module, name) for module, names in assay._HOMES.items() for name in names}
    assert assay.__all__ == sorted(name for _, name in typed)


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bactest'"):
        assay.bactest  # noqa: B018


def test_importing_it_imports_nothing_of_ours_but_itself_and_leaves_the_process_as_it_is():
    code = "import gc, os, sys; before = gc.get_threshold(), dict(os.environ); import assay; "
    code += "print([m for m in sys.modules if m.startswith('assay.') or m in ('numpy', 'pandas')]); "
    code += "import assay.commands.main as cli; cli.main(['--version']); "
    code += "print(before == (gc.get_threshold(), dict(os.environ)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.splitlines()[::2] == ["[]", "True"]  # between them the version


def test_values_show_themselves_in_a_few_lines():
    prices, benchmark = assay.load_sample()
    prices = prices.between("2016-01-04", "2018-12-31")
    predictions = assay.load_sample_predictions().map(lambda frame: frame.loc["2017"])
    strategy = assay.load_strategy("quintile_long_short")
    result = assay.run_backtest(strategy, predictions, prices, benchmark=benchmark)
    evidence = assay.evaluate(result, predictions, prices)
    words = {"PricePanel": prices, "stock_lstm_close": predictions, "drawdown": result, "sharpe_net": evidence}
    for word, value in words.items():
        shown = repr(value)
        assert 3 <= shown.count("\n") + 1 <= 20
        assert word in shown
        assert value._repr_html_().startswith("<table>")
    assert len(prices.to_frame()) == int(prices.close.notna().to_numpy().sum())
    assert list(predictions.to_frame().columns) == ["date", "asset", "score"]
    assert result.to_frame()["net"].equals(result.returns)
    assert evidence.to_frame().loc["sharpe_net", "value"] == evidence["sharpe_net"].value


def test_what_is_stored_shows_itself_and_can_be_judged_drawn_and_compared(tmp_path):
    prices, benchmark = assay.load_sample()
    prices = prices.between("2016-01-04", "2018-12-31")
    predictions = assay.load_sample_predictions().map(lambda frame: frame.loc["2017"])
    market = {"benchmark": benchmark, "root": tmp_path}
    run = assay.backtest(assay.load_strategy("quintile_long_short"), predictions, prices, **market)
    other = assay.backtest(assay.load_strategy("s5_long_only"), predictions, prices, **market)
    decision = run.gate("research")
    assert assay.gate(run.run.id, "research", root=tmp_path).verdict == decision.verdict == "fail"
    cells = assay.sweep("quintile_long_short", {"quantile": ["0.1", "0.2"]}, predictions, prices, **market)
    both = assay.compare(run.run, other.run.id, root=tmp_path)
    fitted = assay.train(assay.load_model("ridge"), prices)
    audit = assay.audit_claims(assay.draft_claims("Accuracy: 62%, precision 0.9, recall 0.9, F1 0.5").claims)
    for value in (run, run.run, decision, cells, both, fitted, audit):
        assert 3 <= repr(value).count("\n") + 1 <= 20
        assert value._repr_html_().startswith("<table>")
    assert run.tearsheet(tmp_path / "sheet.html").stat().st_size > 100_000
    for shown in (run, run.run, run.result):
        above, below = shown.plot().axes
        assert above.get_lines()[0].get_ydata()[-1] == pytest.approx((1 + run.result.returns).prod())
        assert min(below.get_lines()[0].get_ydata()) == pytest.approx(run.run.metric("max_drawdown_net")["value"])
    assert run.to_frame()["net"].equals(run.result.returns)
    assert list(cells.to_frame()["quantile"]) == list(cells.run.to_frame()["quantile"]) == ["0.1", "0.2"]
    assert run.run.to_frame()["net"].tolist() == run.result.returns.tolist()
    assert list(decision.to_frame()["rule"]) == [outcome.rule for outcome in decision.outcomes]
    assert list(audit.to_frame()["printed"]) == ["62%", "0.9", "0.9", "0.5"]
    assert fitted.to_frame().equals(fitted.predictions.to_frame())


def test_a_report_escapes_what_stands_in_it():
    frame = assay.load_sample()[0].close.iloc[:3, :1].set_axis(["<script>"], axis="columns")
    shown = assay.PricePanel(frame)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
