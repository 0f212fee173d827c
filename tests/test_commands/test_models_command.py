"""`models list | show`, and `check model`."""

from __future__ import annotations

import json

import pytest

from assay.commands import main as cli


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main([*(["models"] if arguments[0] != "check" else []), *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_names_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "list", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)["models"]}
    assert {"stock_lstm", "stock_lstm_close", "b3_multitask", "reliance_direction", "nse_price", "ridge"} <= set(rows)
    assert rows["stock_lstm_close"]["needs"] == ["close"]
    code, out, _ = answer(capsys, "list")
    assert code == 0
    assert all(name in out for name in rows)


def test_show_prints_counts_presets_and_traps(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "show", "nse_price")
    assert code == 0
    assert "32,301 by Keras's count" in out
    text = " ".join(out.split())
    assert "looks like skill where returns reverse and like the opposite where they trend" in text
    code, out, _ = answer(capsys, "show", "stock_lstm", "--json")
    row = json.loads(out)
    counts = {preset["name"]: preset["count"]["torch"] for preset in row["presets"]}
    assert counts["report"] == counts["default"] == 205_953
    assert len(row["features"]) == 14
    assert all(item["meaning"] for item in row["parameters"])


@pytest.mark.parametrize("name", ["stock_lstm_close", "b3_multitask", "reliance_direction", "ridge", "zero"])
def test_show_answers_for_all(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(capsys, "show", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name} (")


def test_check_runs_the_battery(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "check", "model", "stock_lstm_close", "--set", "epochs=1", "--json")
    assert code == 0
    assert "causality" in json.loads(out)["passed"]


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in (
        (("show", "stock_lsm"), "did you mean 'stock_lstm'"),
        (("check", "model", "stock_lstm", "--preset", "huge"), "unknown preset"),
        (("check", "model", "stock_lstm", "--set", "epochs=many"), "a whole number"),
    ):
        code, _, err = answer(capsys, *arguments)
        assert code == 2
        assert told in err
        assert err.count("\n") == 1
