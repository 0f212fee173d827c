"""Windows, scoring and training of the ranking LSTM, against a bare `nn.LSTM` and against slicing row by row.

Run: ``python benchmarks/lstm.py [--sessions 1259] [--assets 482] [--seconds 6] [--json]``
     ``python benchmarks/lstm.py --device cuda``

One thread throughout. `floor` is the same network on tensors that lie ready in memory, of the same batch shape; it is
measured in alternation with ours, and `of floor` is the median of the ratios of their speeds. `report` slices each
date and asset out of the panel and scores it alone, as the ranking report does. Sequences are rows: one asset on one
session. `memory` is a fresh process (on Linux): what its resident memory grows by at its peak, from prices in memory
to the scores of every window, over the size of the (T, N, F) feature panel; the network in it is tiny, so that
windows are what would show.

With `--device cuda`: rows a second there, windowed and in sequence form, in float32 and in bfloat16, beside the floor
on that device; by how much the scores differ from the CPU's (largest, in standard deviations of the scores); and the
seconds of a walk-forward over all assets with four folds. ``--device cpu`` runs the same path where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from assay.data.features import build_features
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.models.lstm.batches import Batch, TrainingRows
from assay.models.lstm.networks import RankingNetwork
from assay.models.lstm.scoring import score_rows
from assay.models.lstm.training import deterministic, forward
from assay.models.lstm.windows import Pieces, complete_rows

LOOKBACK, FEATURES = 90, 14


def speed(run: Callable[[], int], seconds: float) -> float:
    """Rows a second, for at least so long."""
    run()
    rows, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        rows += run()
    return rows / (time.perf_counter() - start)


def against(ours: Callable[[], int], floor: Callable[[], int], seconds: float) -> dict[str, float]:
    """Speeds in alternated slices of time, and the median of their ratios."""
    ours(), floor()
    taken = [(speed(ours, seconds / 6), speed(floor, seconds / 6)) for _ in range(5)]
    return {
        "ours, rows/s": statistics.median(a for a, _ in taken),
        "floor, rows/s": statistics.median(b for _, b in taken),
        "of floor": statistics.median(a / b for a, b in taken),
    }


def gathering(inputs: np.ndarray, seconds: float) -> dict[str, float]:
    """Copying windows out of the view, and by slicing date and asset."""
    pieces = Pieces(inputs, LOOKBACK, 1)
    rng = np.random.default_rng(0)
    assets = rng.integers(0, len(inputs), 4096)
    rows = rng.integers(LOOKBACK - 1, inputs.shape[1] - 1, 4096)
    panel = np.ascontiguousarray(inputs.transpose(1, 0, 2))  # (T, N, F), as features come

    def sliced() -> int:
        np.stack([panel[t - LOOKBACK + 1 : t + 1, i] for i, t in zip(assets, rows, strict=True)])
        return len(rows)

    return {
        "view, windows/s": speed(lambda: len(pieces.gather(assets, rows)), seconds / 3),
        "slices, windows/s": speed(sliced, seconds / 3),
        "view, MB": inputs.nbytes / 1e6,
        "materialised, MB": inputs.nbytes / 1e6 * LOOKBACK,
    }


def scoring(inputs: np.ndarray, seconds: float) -> dict[str, dict[str, float]]:
    """Scores of a 2×128 network, windowed and in sequence form."""
    network = RankingNetwork(FEATURES, 128, 2, 0.2).eval()
    few = inputs[:100, : LOOKBACK + 15]
    windowed = Pieces(few, LOOKBACK, 1)
    ready = torch.from_numpy(windowed.gather(np.tile(np.arange(100), 5), np.repeat(np.arange(5) + LOOKBACK - 1, 100)))
    answered = (few.shape[1] - LOOKBACK) // 5 * 500

    def ours() -> int:
        score_rows(network, Pieces(few[:, : LOOKBACK + answered // 100], LOOKBACK, 1))
        return answered

    def floor() -> int:
        with torch.inference_mode():
            network(ready)
        return len(ready)

    panel = np.ascontiguousarray(few.transpose(1, 0, 2))

    def report() -> int:
        with torch.inference_mode():
            for i in range(40):
                network(torch.from_numpy(np.ascontiguousarray(panel[:LOOKBACK, i])[None]))
        return 40

    chunk = 64
    long = Pieces(inputs[:100, : LOOKBACK - 1 + 2 * chunk], LOOKBACK, chunk)

    def sequence() -> int:
        score_rows(network, long)
        return 100 * (long.inputs.shape[1] - chunk - LOOKBACK + 1)

    out = {"scoring, windowed": against(ours, floor, seconds)}
    out["scoring, windowed"]["report, rows/s"] = speed(report, seconds / 3)
    out["scoring, sequence"] = {"ours, rows/s": speed(sequence, seconds / 2)}
    return out


def training(inputs: np.ndarray, seconds: float) -> dict[str, dict[str, float]]:
    """Steps of training a 2×128 network, windowed and in sequence form, on 100 assets."""
    out = {}
    for form, steps in (("windowed", 1), ("sequence", 64)):
        recipe = load_model("stock_lstm", windowed=steps == 1)
        network = RankingNetwork(FEATURES, 128, 2, 0.2).train()
        span = 12 * steps  # rows of an epoch
        few = inputs[:100, : LOOKBACK - 1 + span + steps]
        targets = np.random.default_rng(1).standard_normal((*few.shape[:2], 1)).astype(np.float32)
        usable = np.ones(few.shape[:2], dtype=bool)
        sample = TrainingRows(Pieces(few, LOOKBACK, steps), targets, usable, np.ones(usable.shape, np.float32), True)
        rng = np.random.default_rng(2)

        def ours(
            network: nn.Module = network,
            sample: TrainingRows = sample,
            rng: np.random.Generator = rng,
            span: int = span,
        ) -> int:
            rows = 0
            start = LOOKBACK - 1
            for batch in sample.epoch(start, start + span, 32, rng):
                learn(network, recipe.loss, batch)  # noqa: B023 (called before the next turn)
                rows += int(batch.mask.sum())
            return rows

        ready = torch.from_numpy(sample.pieces.gather(np.arange(100), np.full(100, LOOKBACK - 1)))
        aims = torch.randn(100, steps)

        def floor(network: nn.Module = network, ready: torch.Tensor = ready, aims: torch.Tensor = aims) -> int:
            network.zero_grad(set_to_none=True)
            nn.functional.mse_loss(network(ready, aims.shape[1])[..., 0], aims).backward()
            return aims.numel()

        out[f"training, {form}"] = against(ours, floor, seconds)
    faster = out["training, sequence"]["ours, rows/s"] / out["training, windowed"]["ours, rows/s"]
    out["training, sequence"]["times windowed"] = faster
    return out


def device(place: str, inputs: np.ndarray, sessions: int, assets: int, seconds: float) -> dict[str, dict[str, float]]:
    """Scoring and training on a device in both precisions, how far its scores are from the CPU's; a walk-forward."""
    few = inputs[:100, : LOOKBACK - 1 + 2 * 64 + 64]
    with deterministic(0, place):
        torch.manual_seed(0)
        network = RankingNetwork(FEATURES, 128, 2, 0.2).eval()
        forms = {"windowed": Pieces(few[:, : LOOKBACK + 15], LOOKBACK, 1), "sequence": Pieces(few, LOOKBACK, 64)}
        exact = {form: score_rows(network, pieces) for form, pieces in forms.items()}
        network.to(place)
        ready = torch.from_numpy(forms["windowed"].gather(np.tile(np.arange(100), 5), np.repeat(LOOKBACK - 1, 500)))
        ready = ready.to(place)
        aims = torch.randn(len(ready), 1).to(place)
        out: dict[str, dict[str, float]] = {}
        for bf16 in (False, True):

            def floor(bf16: bool = bf16) -> int:
                with torch.inference_mode():
                    forward(network, ready, 1, bf16)
                return len(ready)

            def learnt(bf16: bool = bf16) -> int:
                network.zero_grad(set_to_none=True)
                nn.functional.mse_loss(forward(network, ready, 1, bf16)[..., 0], aims).backward()
                return len(ready)

            figures = {"floor, rows/s": speed(_waited(floor, place), seconds / 6)}
            for form, pieces in forms.items():
                scores = score_rows(network, pieces, device=place, bf16=bf16)
                rows = int(np.isfinite(scores).sum())

                def scored(pieces: Pieces = pieces, rows: int = rows, bf16: bool = bf16) -> int:
                    score_rows(network, pieces, device=place, bf16=bf16)
                    return rows

                figures[f"{form}, rows/s"] = speed(_waited(scored, place), seconds / 6)
                apart = np.nanmax(np.abs(scores - exact[form])) / np.nanstd(exact[form])
                figures[f"{form}, from the CPU's"] = float(apart)
            network.train()
            figures["training, rows/s"] = speed(_waited(learnt, place), seconds / 6)
            network.eval()
            out[f"{place}, {'bfloat16' if bf16 else 'float32'}"] = figures
    prices, _ = synthetic_market(sessions, assets, seed=0)
    folds = WalkForward(train=sessions // 2, retrain=max(1, sessions // 8)).split(prices.sessions)
    start = time.perf_counter()
    walk_forward(load_model("stock_lstm", device=place, epochs=2), prices, folds, horizon=1, delay=1, seeds=(0,))
    out["walk-forward, 2 epochs"] = {"folds": len(folds), "seconds": time.perf_counter() - start}
    return out


def _waited(run: Callable[[], int], place: str) -> Callable[[], int]:
    """`run` until the device has done what it was given, which a GPU does later than the call returns."""

    def whole() -> int:
        rows = run()
        if place.startswith("cuda"):
            torch.cuda.synchronize()
        return rows

    return whole


def learn(network: nn.Module, loss: Callable[[torch.Tensor, Batch], torch.Tensor], batch: Batch) -> None:
    """Forward, loss, backward."""
    network.zero_grad(set_to_none=True)
    loss(forward(network, batch.inputs, batch.mask.shape[1]), batch).backward()


def memory(sessions: int, assets: int, windowed: bool) -> None:
    """Growth of this process's peak memory over the feature panel, printed; for a process of its own."""
    tiny = load_model("stock_lstm", preset="tiny", epochs=1, lookback=LOOKBACK, windowed=windowed)
    small, _ = synthetic_market(260, 20, seed=0)
    fitted = tiny.fit(small, horizon=1, delay=1, seed=0)
    fitted.predict(small)  # every library is loaded, every pool made
    prices, _ = synthetic_market(sessions, assets, seed=0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is resident now
    before = _peak()
    fitted.predict(prices)
    print((_peak() - before) / (sessions * assets * FEATURES * 4))


def _peak() -> int:
    """Largest resident set so far, bytes."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def scaled_inputs(sessions: int, assets: int) -> tuple[np.ndarray, int]:
    """Features of a market asset by asset, padded by a chunk, and how many rows have a whole window."""
    prices, _ = synthetic_market(sessions, assets, seed=0)
    values = build_features(prices, "core14").values
    inputs = np.zeros((assets, sessions + 64, FEATURES), dtype=np.float32)
    inputs[:, :sessions] = np.nan_to_num(values.transpose(1, 0, 2))
    return inputs, int(complete_rows(values, LOOKBACK).sum())


def measure(sessions: int, assets: int, seconds: float) -> dict[str, dict[str, float]]:
    """Every figure on the CPU."""
    inputs, rows = scaled_inputs(sessions, assets)
    out: dict[str, dict[str, float]] = {
        "panel": {"sessions": sessions, "assets": assets, "scored rows": rows},
        "windows": gathering(inputs, seconds),
    }
    with deterministic(0):
        out |= scoring(inputs, seconds)
        out |= training(inputs, seconds)
    out["memory over feature panel"] = {}
    for form in ("sequence", "windowed"):
        command = [sys.executable, str(Path(__file__).resolve()), "--memory", form]
        command += ["--sessions", str(sessions), "--assets", str(assets)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        out["memory over feature panel"][form] = float(answer.stdout)
    return out


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1259)
    parser.add_argument("--assets", type=int, default=482)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--device", help="cuda, or cpu: what is measured on a device alone.")
    parser.add_argument("--memory", choices=["sequence", "windowed"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        memory(options.sessions, options.assets, options.memory == "windowed")
        return
    if options.device and options.device.startswith("cuda") and not torch.cuda.is_available():
        print("benchmarks/lstm.py: torch finds no GPU in this machine; leave --device out", file=sys.stderr)
        raise SystemExit(2)
    if options.device:
        inputs = scaled_inputs(options.sessions, options.assets)[0]
        figures = device(options.device, inputs, options.sessions, options.assets, options.seconds)
    else:
        figures = measure(options.sessions, options.assets, options.seconds)
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for name, parts in figures.items():
        for part, figure in parts.items():
            print(f"{name + ', ' + part:48}{figure:>16,.3f}")


if __name__ == "__main__":
    main()
