"""Checkpoints: what a folder says never decides which code runs, and whatever was altered is refused in one line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from assay.commands import main as cli
from assay.data.errors import BacktestError, InputError, TrainingError
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_fitted, load_model
from assay.models.checkpoint import METADATA, TENSORS, checkpoint_id, read_metadata, write_checkpoint


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    return synthetic_market(120, 5, seed=3)[0]


@pytest.fixture
def ridge(prices: PricePanel, tmp_path: Path) -> Path:
    folder = tmp_path / "ridge"
    folder.mkdir()
    load_model("ridge").fit(prices, horizon=1, delay=1, seed=0).save(folder)
    return folder


def forged(folder: Path, **content: object) -> Path:
    """A checkpoint sealed as ours are, whatever it says."""
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder, {"model": "ridge", "params": {}, **content}, {"x": np.zeros(1)})
    return folder


def of_format_1(folder: Path) -> None:
    """As the first version wrote it: a digest of the tensors, none of the metadata."""
    content = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    del content["digest"]
    content["format"] = 1
    (folder / METADATA).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("version", [1, 2])
def test_a_folder_cannot_name_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], version: int) -> None:
    mark = tmp_path / "OWNED"
    params = {"args": ["/bin/sh", "-c", f"id > {mark}"]}
    folder = forged(tmp_path / "model", model="subprocess:Popen", params=params)
    if version == 1:
        of_format_1(folder)
    for more in ([], ["--model", "subprocess:Popen"]):
        assert cli.main(["predict", str(folder), "--out", str(tmp_path / "o.parquet"), *more]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
    assert "is no model; it lacks fit and load" in said
    assert not mark.exists()


def test_a_module_of_the_working_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_model.py").write_text("open('OWNED', 'w').close()\nclass Model: ...\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for model in ("evil_model:Model", "evil_model", "assay.models.baselines:Ridge", "../x", ""):
        with pytest.raises(InputError, match="--model"):
            load_fitted(forged(tmp_path / "model", model=model))
    assert not (tmp_path / "OWNED").exists()


def test_the_class_of_ones_own_is_named_on_the_command_line(prices: PricePanel, ridge: Path) -> None:
    fitted = load_fitted(ridge, "assay.models.baselines:Ridge")
    assert fitted.trained_through == prices.sessions[-1]
    with pytest.raises(InputError, match="Momentum"):
        load_fitted(ridge, "assay.models.baselines:Momentum")


def test_edited_stamps_are_refused(ridge: Path) -> None:
    text = (ridge / METADATA).read_text(encoding="utf-8")
    stamp = json.loads(text)["stamps"]["trained_through"]
    (ridge / METADATA).write_text(text.replace(stamp, "2000-06-29"), encoding="utf-8")
    with pytest.raises(TrainingError, match="edited"):
        load_fitted(ridge)


def test_the_identity_changes_with_the_stamps(tmp_path: Path) -> None:
    names = set()
    for number, day in enumerate(("2020-01-01", "2020-01-02")):
        folder = forged(tmp_path / str(number), stamps={"trained_through": day})
        names.add(checkpoint_id(read_metadata(folder)))
    assert len(names) == 2
    assert all(name.startswith("ridge-") for name in names)


def test_format_1_is_read_with_a_warning(
    prices: PricePanel, ridge: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_fitted(ridge).predict(prices).score
    assert not caplog.messages
    of_format_1(ridge)
    assert load_fitted(ridge).predict(prices).score.equals(expected)
    assert "format 1" in caplog.text


def test_a_later_format_says_so(ridge: Path) -> None:
    content = json.loads((ridge / METADATA).read_text(encoding="utf-8"))
    (ridge / METADATA).write_text(json.dumps({**content, "format": 3}), encoding="utf-8")
    with pytest.raises(InputError, match="format 3"):
        load_fitted(ridge)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "1", "[" * 100_000, '{"format": 2}', '{"format": 1}', '{"format": []}',
     '{"format": 1, "model": 3, "params": [], "sha256": ""}'],
)  # fmt: skip
def test_whatever_the_metadata_are_it_is_one_line(ridge: Path, text: str) -> None:
    (ridge / METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(BacktestError) as caught:
        load_fitted(ridge)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [METADATA, TENSORS])
def test_one_flipped_bit_anywhere_is_found(ridge: Path, file: str) -> None:
    whole = (ridge / file).read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        (ridge / file).write_bytes(damaged)
        try:
            load_fitted(ridge)
        except BacktestError:
            continue
        # White space between JSON's tokens may change and mean the same.
        assert file == METADATA
        assert json.loads(damaged) == json.loads(whole)


def test_sealed_again_with_another_content_it_is_still_one_line(ridge: Path) -> None:
    """Whoever edits a checkpoint can seal it again; then its content is looked at."""
    content = json.loads((ridge / METADATA).read_text(encoding="utf-8"))
    data = (ridge / TENSORS).read_bytes()
    changes: list[dict[str, object]] = [
        {"stamps": {}}, {"stamps": None}, {"stamps": dict.fromkeys(content["stamps"], "never")},
        {"stamps": dict.fromkeys(content["stamps"], "NaT")}, {"horizon": None, "stamps": 3},
        {"horizon": "1"}, {"delay": {}}, {"delay": 0}, {"horizon": True}, {"horizon": 10**30},
        {"params": {"penalty": []}}, {"params": {"unknown": 1}}, {"params": {"name": "x", "preset": "y"}},
    ]  # fmt: skip
    from assay.data.stored import sealed

    for change in changes:
        altered = {name: value for name, value in content.items() if name != "digest"} | change
        altered["sha256"] = hashlib.sha256(data).hexdigest()
        (ridge / METADATA).write_text(json.dumps(sealed(altered)), encoding="utf-8")
        with pytest.raises(BacktestError) as caught:
            load_fitted(ridge)
        assert "\n" not in str(caught.value)
