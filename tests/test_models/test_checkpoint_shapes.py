"""Other people's checkpoints: shapes and settings are read, nothing is run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import save_file

from assay.commands.audit import audit
from assay.data.errors import InputError
from assay.models.checkpoint_shapes import read_checkpoint_shapes
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


def nested(levels: int, inner: object, of: type) -> object:
    """What holds itself twice at every level: 2^levels entries in a few bytes."""
    for _ in range(levels):
        inner = {"a": inner, "b": inner} if of is dict else (inner, inner)
    return inner


def torch_zip(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
    return path


def hostile_pickles() -> dict[str, bytes]:
    proto, stop = b"\x80\x02", b"."
    endless = pickle.dumps(nested(60, 1, tuple), protocol=2)[2:-1]  # its text would have 2^60 letters
    return {
        "twice at every level": pickle.dumps(nested(60, {}, dict)),
        "holds itself": proto + b"}q\x00X\x01\x00\x00\x00ah\x00s" + stop,
        "called by an endless name": proto + endless + b")R" + stop,
        "named by an endless name": b"\x80\x04" + endless + endless + b"\x93" + stop,
        "arguments that are none": proto + b"cos\nsystem\nX\x01\x00\x00\x00aR" + stop,
        "an empty stack": proto + b"R" + stop,
        "a mark that is not there": proto + b"t" + stop,
        "a shape of text": proto + b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n"
        b"(K\x00K\x00X\x01\x00\x00\x00x\x85tRs" + stop,
        "a negative shape": proto + b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n"
        b"(K\x00K\x00J\xff\xff\xff\xff\x85tRs" + stop,
    }  # fmt: skip


def one_line(path: Path) -> str:
    """The refusal of a file, which is one line, names the file and takes no memory to speak of."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_checkpoint_shapes(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    return message


@pytest.mark.parametrize(("what", "pickled"), hostile_pickles().items())
def test_pickles_made_to_harm_end_in_one_line(tmp_path: Path, what: str, pickled: bytes) -> None:
    one_line(torch_zip(tmp_path / "a.pt", pickled))


def test_settings_that_cannot_be_shown_are_left_out(tmp_path: Path) -> None:
    odd = {"huge": 10**6000, "long": "x" * 5000, "fine": 1, "no number": float("nan"), "w": torch.zeros(2)}
    torch.save(odd, tmp_path / "a.pt")
    assert set(read_checkpoint_shapes(tmp_path / "a.pt").settings) == {"fine", "no number"}


def test_steps_of_a_pickle_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.models.checkpoint_shapes._MOST_STEPS", 100)
    assert "more steps" in one_line(torch_zip(tmp_path / "a.pt", b"\x80\x02" + b"}" * 200 + b"."))


@pytest.mark.parametrize(
    "header",
    [
        b"[]", b"3", b"{", b"[" * 100_000, b'{"a": 3}', b'{"a": {"shape": 3}}', b'{"a": {"shape": ["x"]}}',
        b'{"a": {"shape": [-1]}}', b'{"a": {"shape": [1e3]}}', b'{"a": {"shape": [true]}}', b'{"a": {"shape": [[1]]}}',
        b'{"a": {"shape": [' + b"9" * 5000 + b"]}}", b'{"a": {"shape": [' + b"9" * 40 + b"]}}",
        b'{"a": {"shape": [' + b"1," * 100 + b"1]}}", b'{"__metadata__": [1], "a": {"shape": [1]}}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_safetensors_headers_that_say_no_shapes(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    one_line(tmp_path / "a.safetensors")


def test_archives_that_are_bombs_damaged_or_locked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (17 << 20))
        archive.writestr("model.weights.h5", b"")
    assert (tmp_path / "bomb.keras").stat().st_size < 50_000
    assert "larger than a description" in one_line(tmp_path / "bomb.keras")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"}" * (17 << 20))
    assert "larger than a description" in one_line(tmp_path / "bomb.pt")
    with zipfile.ZipFile(tmp_path / "whole.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({str(k): k for k in range(500)}))
    whole = (tmp_path / "whole.pt").read_bytes()
    locked = bytearray(whole)
    locked[whole.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of an encrypted part
    locked[6] |= 1
    (tmp_path / "locked.pt").write_bytes(locked)
    assert "encrypted" in one_line(tmp_path / "locked.pt")
    for at in (45, 200, 600):
        (tmp_path / "damaged.pt").write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
        one_line(tmp_path / "damaged.pt")


def test_files_of_another_kind_than_their_suffix(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("lstm/kernel", data=np.zeros((100, 200)))
    torch.save({"w": torch.zeros(2, 3)}, tmp_path / "a.pt")
    save_file({"a": np.zeros((2, 3))}, tmp_path / "a.safetensors")
    right = {path.suffix: path.read_bytes() for path in tmp_path.iterdir()}
    for suffix in (".pt", ".safetensors", ".keras", ".h5"):
        for kind, content in right.items():
            if kind != suffix:
                (tmp_path / f"b{suffix}").write_bytes(content)
                one_line(tmp_path / f"b{suffix}")
    (tmp_path / "cut.h5").write_bytes(right[".h5"][: len(right[".h5"]) // 2])
    assert "cannot be read as .h5" in one_line(tmp_path / "cut.h5")
    (tmp_path / "folder.pt").mkdir()
    assert "not a file" in one_line(tmp_path / "folder.pt")
    assert "No such file" in one_line(tmp_path / "absent.pt")
    with h5py.File(tmp_path / "many.h5", "w") as file:  # one text, said to be there a million times
        file.create_dataset("kernel", data=np.zeros((1, 4)))
        file.attrs["model_config"] = ["{}", "{}"]
    assert read_checkpoint_shapes(tmp_path / "many.h5").settings == {}
