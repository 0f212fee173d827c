"""A price network for each of many assets: one after another against stacked, in time and in losses.

Run: ``python benchmarks/stacked.py [--assets 100] [--sessions 500] [--epochs 10] [--rounds 3] [--parity 20]``
     ``python benchmarks/stacked.py --floor``

Both train the shipped recipe (its own batches, dropout and early stop) as a person's `fit` does: one after another on
one thread, stacked on one a core. They are timed in turns; printed are the least seconds of the rounds, on the clock
and of processor time (whose ratio is that of a single core), and the ratios.

On an AMD EPYC with AVX-512, 50 assets: 12.1 s of processor time one after another and 3.0 s stacked, 4.0 times as fast
on a single core, and several cores share the stacks. On two cores that did nothing else 100 assets took 22.1 s on the
clock and 3.8 s, 5.8 times as fast; Adam and validation were not yet part of the compiled loops then (3.0 times as fast
on a single core). Wide loops are most of it: on a processor with AVX2 expect less.

Parity, in how many assets all losses of all epochs agree to 1e-5, and how far they are apart. By the same loops, a
stack of one asset and a stack of all leave the same bits. Against torch's own `nn.LSTM`, one asset after another,
float64 shows that nothing but rounding differs. In float32 a rounding is enough to part them, stacked or not: the last
row is one after another against itself, once each first weight is moved to the next number that float32 has.

`--floor` prints what a step of training costs at least: its floating-point operations at the speed of this machine's
matrix products of 512.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from assay.data.labels import next_price
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.scaling import fit_scaler
from assay.models.lstm.stacked import Member, StackedRows, train_together
from assay.models.lstm.training import Task, TrainingSchedule, deterministic, fit_network
from assay.models.lstm.windows import Pieces
from assay.models.nse_price import PriceLSTM


def timed(sessions: int, assets: int, epochs: int, rounds: int) -> None:
    """Both ways in turns, and the ratio of their least times."""
    prices, _ = synthetic_market(sessions, assets, seed=1)
    models = [load_model("nse_price", stacked=stacked, epochs=epochs) for stacked in (False, True)]
    models[0].fit(prices.select(prices.assets[:1]), horizon=1, delay=1, seed=0)  # libraries are loaded,
    models[1].fit(prices, horizon=1, delay=1, seed=0)  # loops compiled
    taken = []
    for _ in range(rounds):
        for model in models:
            start, used = time.perf_counter(), time.process_time()
            model.fit(prices, horizon=1, delay=1, seed=0)
            taken.append((time.perf_counter() - start, time.process_time() - used))
    alone, together = np.min(taken[::2], axis=0), np.min(taken[1::2], axis=0)
    print(f"{assets} assets × {sessions} sessions, up to {epochs} epochs, least of {rounds}")
    for name, (wall, processor) in (("one after another", alone), ("stacked", together)):
        print(f"{name:18}{wall:8.1f} s on the clock, {processor:8.1f} s of processor time")
    print(f"ratio {alone[0] / together[0]:.2f} on the clock, {alone[1] / together[1]:.2f} of processor time")


def members(recipe: PriceLSTM, sessions: int, assets: int, kind: type) -> tuple[list[Member], StackedRows]:
    """The assets and their rows in `kind`, the last 15% of them to validate."""
    prices, _ = synthetic_market(sessions, assets, seed=1)
    cut, end = int(sessions * 0.85) - 2, sessions - 2
    close = prices.close.to_numpy()[..., None]
    ahead = next_price(prices, horizon=1, delay=1).to_numpy()[..., None]
    rows = []
    for values in (close, ahead):
        scaler = fit_scaler(values[:cut], "minmax", per_asset=True)
        scaled = np.zeros((assets, sessions + recipe.steps, 1), kind)
        known = (values.transpose(1, 0, 2) - scaler.centre[:, None]) / scaler.scale[:, None]
        scaled[:, :sessions] = np.nan_to_num(known)
        rows.append(scaled)
    usable = np.zeros(rows[0].shape[:2], dtype=bool)
    usable[:, recipe.lookback - 1 : end] = True
    every = TrainingRows(Pieces(rows[0], recipe.lookback, recipe.steps), rows[1], usable, np.ones(usable.shape, kind))
    first = recipe.lookback - 1
    return [Member(str(k), k, k) for k in range(assets)], StackedRows(every, (first, cut - 2), (cut, end))


def alone(
    recipe: PriceLSTM,
    every: tuple[list[Member], StackedRows],
    schedule: TrainingSchedule,
    start: Callable[[torch.nn.Module], Any],
) -> np.ndarray:
    """Losses by asset, epoch and role, each asset trained by itself; `start` changes its first weights."""
    out = []
    stacked = every[1]
    for member in every[0]:
        rows = stacked.rows.asset(member.asset)
        with deterministic(member.seed):
            network = recipe.network(1).to(torch.from_numpy(rows.targets).dtype)
            start(network)
            task = Task(
                training=lambda rng, own=rows: own.epoch(*stacked.train, schedule.batch_size, rng),
                validation=lambda own=rows: own.epoch(*stacked.validation, 512),
                parts=recipe.parts, penalty=recipe.penalty,
            )  # fmt: skip
            out.append(losses(fit_network(network, task, schedule, seed=member.seed).history, schedule.epochs))
    return np.stack(out)


def losses(history: list[dict[str, float]], epochs: int) -> np.ndarray:
    """(epochs, 2) training and validation losses; NaN after the last epoch."""
    out = np.full((epochs, 2), np.nan)
    out[: len(history)] = [[record["train_loss"], record["validation_loss"]] for record in history]
    return out


def parity(sessions: int, assets: int, epochs: int) -> None:
    """How far losses are apart, in both precisions, and beside a start moved by a rounding."""

    def moved(network: torch.nn.Module) -> None:
        with torch.no_grad():
            for weight in network.parameters():
                weight.copy_(torch.nextafter(weight, torch.full_like(weight, torch.inf)))

    recipe = load_model("nse_price", epochs=epochs)
    schedule = TrainingSchedule(epochs, recipe.patience, 0.0, False, recipe.learning_rate, 0.0, 0.0, recipe.batch_size)
    print(f"{assets} assets, losses of up to {epochs} epochs: assets within 1e-5, median and largest difference")
    for kind in (np.float64, np.float32):
        every = members(recipe, sessions, assets, kind)

        def stacked(some: list[Member], rows: StackedRows = every[1]) -> np.ndarray:
            with deterministic(0):
                trained = train_together(replace(recipe, stacked=True), some, rows, schedule)
            return np.stack([losses(own.history, epochs) for own in trained])

        together, by_torch = stacked(every[0]), alone(recipe, every, schedule, lambda network: None)
        rows = [("all in a stack, each by torch", together, by_torch)]
        if kind is np.float32:
            each = np.concatenate([stacked([member]) for member in every[0]])
            rows.insert(0, ("all in a stack, a stack of each", together, each))
            rows.append(("each by torch, start moved", by_torch, alone(recipe, every, schedule, moved)))
        for name, one, other in rows:
            same = (np.isnan(other) == np.isnan(one)).all(axis=(1, 2))
            apart = np.where(same, np.nanmax(np.abs(other - one), axis=(1, 2)), np.inf)
            print(f"{kind.__name__}, {name:33}{(apart <= 1e-5).sum():4} of {assets}, {np.median(apart):.1e}, "
                  f"{apart.max():.1e}")  # fmt: skip


def floor() -> None:
    """Operations of a step of training at the speed of matrix products."""
    recipe = load_model("nse_price")
    pieces, steps, units = max(4, recipe.batch_size // recipe.chunk), recipe.lookback - 1 + recipe.chunk, recipe.units
    multiplied = 4 * units * ((1 + units) + (units + units)) * steps * pieces  # by both LSTMs, forwards
    operations = 2 * 3 * multiplied  # two an element; backwards costs twice forwards
    torch.set_num_threads(1)
    square = torch.rand(512, 512)
    seconds = min(_seconds(lambda: square @ square) for _ in range(50))
    speed = 2 * 512**3 / seconds
    print(f"a step: {pieces} pieces × {steps} sessions, {operations / 1e6:.0f} million operations; at "
          f"{speed / 1e9:.0f} billion a second {operations / speed * 1e3:.2f} ms")  # fmt: skip


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Parse the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parity", type=int, default=20, metavar="ASSETS", help="0 leaves it out.")
    parser.add_argument("--floor", action="store_true")
    options = parser.parse_args()
    if options.floor:
        floor()
        return
    if options.rounds:
        timed(options.sessions, options.assets, options.epochs, options.rounds)
    if options.parity:
        parity(options.sessions, options.parity, options.epochs)


if __name__ == "__main__":
    main()
