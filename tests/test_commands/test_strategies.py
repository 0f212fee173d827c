"""`strategies list | show | check`."""

from __future__ import annotations

import json

import pytest

from assay.commands.main import main
from assay.strategies.catalog import strategy_names


def test_list(capsys):
    assert main(["strategies", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in strategy_names())
    assert main(["strategies", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["strategies"]
    assert [row["name"] for row in rows] == list(strategy_names())


@pytest.mark.parametrize("name", strategy_names())
def test_show(capsys, name):
    assert main(["strategies", "show", name]) == 0
    out = capsys.readouterr().out
    assert name in out
    assert "needs prices        close" in out
    assert max(len(line) for line in out.splitlines()) <= 100
    assert main(["strategies", "show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_show_has_rule_parameters_and_needs(capsys):
    main(["strategies", "show", "confidence"])
    out = capsys.readouterr().out
    assert "close, open, high, low" in out
    assert "probability_up" in out
    assert "stop_loss" in out
    assert "0.02" in out


def test_check(capsys):
    assert main(["check", "strategy", "s2_filter_negative", "--set", "quantile=0.3", "--json"]) == 0
    assert "causality" in json.loads(capsys.readouterr().out)["passed"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["strategies", "show", "confidense"], "did you mean 'confidence'"),
        (["check", "strategy", "confidence", "--set", "size=big"], "size must be a number"),
        (["check", "strategy", "confidence", "--set", "size"], "expected NAME=VALUE"),
        (["strategies", "show", "no_such:Rule"], "cannot import"),
    ],
)
def test_errors_are_one_line_and_exit_2(capsys, argv, message):
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
