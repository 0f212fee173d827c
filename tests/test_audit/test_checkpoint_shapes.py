"""Other people's checkpoints: shapes and settings are read, nothing is run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import save_file

from assay.audit.read.checkpoint import read_checkpoint_shapes
from assay.commands.audit import audit
from assay.data.errors import InputError
from assay.models.stock_lstm import StockLSTM


def test_a_torch_checkpoint_as_the_ranking_report_saves_it(tmp_path: Path) -> None:
    network = StockLSTM().network(14)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.zeros(2, 5, 14)).sum().backward()
    optimiser.step()
    torch.save(
        {
            "epoch": 35, "model_state_dict": network.state_dict(), "optimizer_state_dict": optimiser.state_dict(),
            "val_spearman": 0.12, "hyperparameters": {"temperature": 0.05, "hidden_size": 128, "note": "x"},
        },
        tmp_path / "best.pth",
    )  # fmt: skip
    found = read_checkpoint_shapes(tmp_path / "best.pth")
    assert found.shapes == {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert found.parameters == 205_953
    assert found.recurrent == {"lstm.weight_ih_l0": (14, 128), "lstm.weight_ih_l1": (128, 128)}
    assert found.settings == {
        "epoch": 35, "val_spearman": 0.12, "hyperparameters.temperature": 0.05, "hyperparameters.hidden_size": 128,
        "hyperparameters.note": "x",
    }  # fmt: skip
    torch.save(network.state_dict(), tmp_path / "bare.pt")
    assert read_checkpoint_shapes(tmp_path / "bare.pt").parameters == 205_953


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_what_would_run_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    network = torch.nn.Linear(2, 3)
    torch.save({"weights": network.state_dict(), "evil": Evil(made)}, tmp_path / "evil.pt")
    found = read_checkpoint_shapes(tmp_path / "evil.pt")
    assert found.shapes == {"weights.weight": (3, 2), "weights.bias": (3,)}
    assert not made.exists()
    with zipfile.ZipFile(tmp_path / "only.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Evil(made)))
    with pytest.raises(InputError, match="says no shape"):
        read_checkpoint_shapes(tmp_path / "only.pt")
    assert not made.exists()


def test_the_command_holds_the_count_against_what_is_printed(tmp_path: Path) -> None:
    torch.save(StockLSTM().network(14).state_dict(), tmp_path / "best.pth")
    claims = str(Path(__file__).parents[2] / "data" / "claims" / "stock_lstm_model_details.toml")
    text = CliRunner().invoke(audit, [claims, "--checkpoint", str(tmp_path / "best.pth")]).output
    assert "205,953 parameters in 10 tensors" in text
    assert "printed ~250,000 (architecture): not what it holds" in text
    told = json.loads(CliRunner().invoke(audit, [claims, "--checkpoint", str(tmp_path / "best.pth"), "--json"]).output)
    assert told["checkpoint"]["parameters"] == 205_953
    assert told["checkpoint"]["recurrent"] == {"lstm.weight_ih_l0": [14, 128], "lstm.weight_ih_l1": [128, 128]}
    wrong = CliRunner().invoke(audit, [claims, "--checkpoint", str(tmp_path / "absent.pt")])
    assert isinstance(wrong.exception, InputError)


def test_safetensors_and_what_cannot_be_read(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3), np.float32)}, tmp_path / "a.safetensors", metadata={"epoch": "3"})
    found = read_checkpoint_shapes(tmp_path / "a.safetensors")
    assert (found.shapes, found.settings, found.parameters) == ({"a": (2, 3)}, {"epoch": "3"}, 6)
    cases = {"b.pt": b"no zip", "c.safetensors": struct.pack("<Q", 1 << 60), "d.safetensors": b"xy", "e.keras": b"PK",
             "f.joblib": b""}  # fmt: skip
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_checkpoint_shapes(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        read_checkpoint_shapes(tmp_path / "absent.safetensors")
    with zipfile.ZipFile(tmp_path / "g.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00(X\x01\x00\x00\x00a")
    with pytest.raises(InputError, match=r"g\.pt"):
        read_checkpoint_shapes(tmp_path / "g.pt")


def test_keras_files_of_the_price_report(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    config = {"config": {"layers": [{"class_name": "LSTM", "config": {"name": "lstm", "units": 50, "dropout": 0.0}}]}}
    shapes = {
        "lstm/kernel": (1, 200), "lstm/recurrent_kernel": (50, 200), "lstm/bias": (200,), "norm/gamma": (50,),
        "norm/beta": (50,), "norm/moving_mean": (50,), "norm/moving_variance": (50,), "lstm_1/kernel": (50, 200),
        "lstm_1/recurrent_kernel": (50, 200), "lstm_1/bias": (200,), "norm_1/gamma": (50,), "norm_1/beta": (50,),
        "norm_1/moving_mean": (50,), "norm_1/moving_variance": (50,), "dense/kernel": (50, 25), "dense/bias": (25,),
        "dense_1/kernel": (25, 1), "dense_1/bias": (1,),
    }  # fmt: skip
    with h5py.File(tmp_path / "model.h5", "w") as file:
        for name, shape in shapes.items():
            file.create_dataset(f"model_weights/{name}", data=np.zeros(shape, np.float32))
        file.create_dataset("optimizer_weights/x", data=np.zeros(5))
        file.attrs["model_config"] = json.dumps(config)
    found = read_checkpoint_shapes(tmp_path / "model.h5")
    assert found.parameters == 32_301
    assert sorted(found.recurrent.values()) == [(1, 50), (50, 50)]
    assert found.settings["lstm.units"] == 50
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("layers/lstm/kernel", data=np.zeros((1, 200)))
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    assert read_checkpoint_shapes(tmp_path / "model.keras").shapes == {"layers/lstm/kernel": (1, 200)}
